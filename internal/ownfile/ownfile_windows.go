package ownfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Rights of a file or a folder by which somebody changes what stands there, and
// those by which somebody reads it.
const (
	changesFile = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE | changesRights
	// In a folder nobody replaces what is another's without one of these. To
	// add files is no such right: see lookAtFolder for Unix.
	changesFolder = deleteChild | windows.DELETE | changesRights
	changesRights = windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL
	reads         = windows.FILE_READ_DATA | windows.GENERIC_READ
	deleteChild   = 0x40
)

// allowedCallback is an entry that allows under a condition. It is laid out as
// one that allows.
const allowedCallback = 9

const aboutAccess = windows.OWNER_SECURITY_INFORMATION | windows.DACL_SECURITY_INFORMATION

// Look follows path through its links, and returns what is dangerous about the
// file or its folders; nil: nothing, or there is no such file.
func Look(path string) *Danger {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // whoever opens it will say so
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(real)} {
		if d := lookAt(dir, "the folder "+dir+", and so put another file there", changesFolder, "(OI)(CI)F"); d != nil {
			return d
		}
	}
	return lookAt(real, real, changesFile, "F")
}

func lookAt(path, what string, rights windows.ACCESS_MASK, mine string) *Danger {
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, aboutAccess)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return sure("the access control list of %s cannot be read: %v", path, err)
	}
	switch who, err := others(sd, rights); {
	case err != nil:
		return sure("the access control list of %s: %v", path, err)
	case who != "":
		return sure("%s can write %s; %s", who, what, keep(path, mine))
	}
	if owner, _, err := sd.Owner(); err != nil || !trusted(owner) {
		return &Danger{What: fmt.Sprintf("%s belongs to another user, who can change it", path)}
	}
	return nil
}

// Exposed says by what somebody else than this user and the administrators can
// read or write a file that is meant for this process alone; empty: nobody.
func Exposed(f *os.File) string {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT, aboutAccess)
	if err != nil {
		return fmt.Sprintf("its access control list cannot be read: %v", err)
	}
	switch who, err := others(sd, reads|changesFile); {
	case err != nil:
		return err.Error()
	case who != "":
		return fmt.Sprintf("%s can read or write it; %s", who, keep(f.Name(), "F"))
	}
	return ""
}

// keep is what to do about it.
func keep(path, mine string) string {
	return fmt.Sprintf(`icacls "%s" /inheritance:r /grant:r "%%USERNAME%%:%s"`, path, mine)
}

// others is somebody who has one of the rights and is not trusted.
func others(sd *windows.SECURITY_DESCRIPTOR, rights windows.ACCESS_MASK) (string, error) {
	acl, _, err := sd.DACL()
	if err != nil || acl == nil {
		return "everybody", nil // as Windows takes it that there is no list
	}
	for i := range uint32(acl.AceCount) {
		var ace *windows.ACCESS_ALLOWED_ACE
		if err := windows.GetAce(acl, i, &ace); err != nil {
			return "", err
		}
		switch {
		case ace.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0, ace.Header.AceType == windows.ACCESS_DENIED_ACE_TYPE:
			continue
		case ace.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE && ace.Header.AceType != allowedCallback:
			return "", fmt.Errorf("an entry of kind %d is not understood", ace.Header.AceType)
		}
		if sid := (*windows.SID)(unsafe.Pointer(&ace.SidStart)); ace.Mask&rights != 0 && !trusted(sid) {
			return called(sid), nil
		}
	}
	return "", nil
}

// trusted are this process's user and those who can do everything on the machine
// anyway. The rights of an owner, whoever that is, are looked at as the owner's.
func trusted(sid *windows.SID) bool {
	if sid == nil {
		return false
	}
	if sid.IsWellKnown(windows.WinLocalSystemSid) || sid.IsWellKnown(windows.WinBuiltinAdministratorsSid) || sid.IsWellKnown(windows.WinCreatorOwnerRightsSid) {
		return true
	}
	if sid.String() == trustedInstaller {
		return true
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	return err == nil && sid.Equals(user.User.Sid)
}

// trustedInstaller is the service that Windows itself is installed by. It owns
// the system's folders.
const trustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"

func called(sid *windows.SID) string {
	name, domain, _, err := sid.LookupAccount("")
	switch {
	case err != nil:
		return sid.String()
	case domain == "":
		return name
	}
	return domain + `\` + name
}

// Make makes a file that is not there yet, os.ErrExist, and that nobody but this
// process's user and the administrators can open. Danger: it has its list from its first
// moment on. Who opened it before it got one would read what is written later.
func Make(path string) (_ *os.File, err error) {
	defer func() {
		if err != nil {
			err = &os.PathError{Op: "open", Path: path, Err: err}
		}
	}()
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, err
	}
	sd, err := windows.SecurityDescriptorFromString("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;" + user.User.Sid.String() + ")")
	if err != nil {
		return nil, err
	}
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	list := &windows.SecurityAttributes{SecurityDescriptor: sd}
	list.Length = uint32(unsafe.Sizeof(*list))
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, list,
		windows.CREATE_NEW, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(h), path)
	if why := Exposed(f); why != "" { // a file system without lists
		return nil, errors.Join(errors.New(why), f.Close(), os.Remove(path))
	}
	return f, nil
}

// Give does nothing: a file has the rights that Make gave it.
func Give(*os.File, string) error { return nil }
