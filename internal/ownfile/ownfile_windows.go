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

// Private leaves a file, which this process has made and has open, to its user and
// the administrators: it has got the rights of its folder.
func Private(f *os.File) error {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;" + user.User.Sid.String() + ")")
	if err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(f.Name())
	if err != nil {
		return err
	}
	// f has no right to it. Whoever took the name for another file meanwhile is seen below.
	h, err := windows.CreateFile(name, windows.WRITE_DAC, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
		windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: f.Name(), Err: err}
	}
	err = windows.SetKernelObjectSecurity(h, windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, sd)
	if err = errors.Join(err, windows.CloseHandle(h)); err != nil {
		return err
	}
	// The list of f itself.
	if why := Exposed(f); why != "" {
		return fmt.Errorf("%s: %s", f.Name(), why)
	}
	return nil
}

// Give does nothing: a file has the rights that Private gave it.
func Give(*os.File, string) error { return nil }
