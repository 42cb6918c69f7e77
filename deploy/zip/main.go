// Command zip packs a folder into a zip file that shows nothing of this machine:
// the names are in order, and all have the time of SOURCE_DATE_EPOCH. Zip itself
// would write who owns the files.
//
//	zip folder > out.zip
package main

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: zip folder")
		os.Exit(2)
	}
	if err := pack(os.Stdout, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "zip:", err)
		os.Exit(1)
	}
}

func pack(out io.Writer, folder string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	w := zip.NewWriter(out)
	files := os.DirFS(folder)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		header := &zip.FileHeader{
			Name: path.Join(filepath.Base(folder), name), Method: zip.Deflate, Modified: time.Unix(epoch, 0).UTC(),
		}
		return add(w, header, files, name)
	})
	return errors.Join(err, w.Close())
}

func add(w *zip.Writer, header *zip.FileHeader, files fs.FS, name string) error {
	from, err := files.Open(name)
	if err != nil {
		return err
	}
	to, err := w.CreateHeader(header)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	return errors.Join(err, from.Close())
}
