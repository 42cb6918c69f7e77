package bolt

import (
	"errors"

	"go.etcd.io/bbolt"
)

// bulkWriter fills a new file, in keys that ascend within each bucket, by
// transactions that are large and yet bounded.
type bulkWriter struct {
	db   *database
	tx   *bbolt.Tx
	size int
}

func (b *bulkWriter) begin() (err error) {
	if b.tx == nil {
		b.tx, err = b.db.Begin(true)
		b.size = 0
	}
	return err
}

func (b *bulkWriter) create(names [][]byte) error {
	if err := b.begin(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := b.tx.CreateBucket(name); err != nil {
			return b.end(err)
		}
	}
	return nil
}

func (b *bulkWriter) put(bucket, key, value []byte) error {
	if err := b.begin(); err != nil {
		return err
	}
	to := b.tx.Bucket(bucket)
	to.FillPercent = 1 // nothing comes in between
	if err := to.Put(key, value); err != nil {
		return err
	}
	if b.size += len(key) + len(value); b.size < commitSize {
		return nil
	}
	return b.end(nil)
}

// end commits, or takes back what is not committed yet.
func (b *bulkWriter) end(err error) error {
	if b.tx == nil {
		return err
	}
	tx := b.tx
	b.tx = nil
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
