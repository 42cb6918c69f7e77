/* A full disk for one program: while the file that DISK_FULL names is there, files
   whose paths hold that file's text do not grow. What would need more room fails with
   ENOSPC, as from a file system that has none; what overwrites goes on. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int full(int fd, off_t end) {
	char text[256], link[64], path[4096];
	const char *flag = getenv("DISK_FULL");
	struct stat st;
	int f = flag ? open(flag, O_RDONLY | O_CLOEXEC) : -1;
	if (f < 0)
		return 0;
	ssize_t n = syscall(SYS_read, f, text, sizeof text - 1);
	close(f);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof path - 1);
	if (n < 0 || len < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	text[n] = path[len] = 0;
	return strstr(path, text) != NULL && end > st.st_size;
}

static off_t length(const struct iovec *iov, int n) {
	off_t all = 0;
	for (int i = 0; i < n; i++)
		all += iov[i].iov_len;
	return all;
}

#define NEXT(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))
#define REFUSE(fd, end) do { if (full(fd, end)) { errno = ENOSPC; return -1; } } while (0)

ssize_t write(int fd, const void *b, size_t n) {
	off_t at = lseek(fd, 0, SEEK_CUR);
	if (at >= 0)
		REFUSE(fd, at + n);
	return NEXT(write)(fd, b, n);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) { REFUSE(fd, at + n); return NEXT(pwrite)(fd, b, n, at); }
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) { REFUSE(fd, at + n); return NEXT(pwrite64)(fd, b, n, at); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) { REFUSE(fd, at + length(v, n)); return NEXT(pwritev)(fd, v, n, at); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t at) { REFUSE(fd, at + length(v, n)); return NEXT(pwritev64)(fd, v, n, at); }
int posix_fallocate(int fd, off_t at, off_t n) { return full(fd, at + n) ? ENOSPC : NEXT(posix_fallocate)(fd, at, n); }
int posix_fallocate64(int fd, off64_t at, off64_t n) { return full(fd, at + n) ? ENOSPC : NEXT(posix_fallocate64)(fd, at, n); }
