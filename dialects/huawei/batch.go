package huawei

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// maxBatch bounds the secrets of one request. The vendor names no number; it
// is that of a page.
const maxBatch = 1000

// maxBatchValues bounds the bytes of the values in one answer, which is held
// whole. 1000 of the largest that CSMS's clients can write fit.
const maxBatchValues = maxBatch * maxValue

type importBody struct {
	Secrets batch `json:"secrets"`
}

// batch keeps one secret more than there may be, however many come.
type batch []json.RawMessage

// UnmarshalJSON implements json.Unmarshaler.
func (b *batch) UnmarshalJSON(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('[') && start != nil {
		return errors.New("not an array")
	}
	for dec.More() && len(*b) <= maxBatch {
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			return err
		}
		*b = append(*b, one)
	}
	return nil
}

type importError struct {
	Name string `json:"name"`
	Msg  string `json:"error_msg"`
}

type importAnswer struct {
	Total   int           `json:"total"`
	Success int           `json:"success"`
	Failed  int           `json:"failed"`
	Errors  []importError `json:"error_list"`
}

// importSecrets makes one secret after the other. One that fails says why, and
// keeps none of the others from being made.
func (a *api) importSecrets(r *request) (any, error) {
	if err := a.svc.Ask(r.Context(), r.call, access.Set, gateway.Ref{Store: r.store}); err != nil {
		return nil, err
	}
	var body importBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if n := len(body.Secrets); n < 1 || n > maxBatch {
		return nil, secret.Errorf(secret.Invalid, "secrets holds 1 to %d secrets", maxBatch)
	}
	out := importAnswer{Total: len(body.Secrets), Errors: []importError{}}
	for _, raw := range body.Secrets {
		if name, err := a.importOne(r, raw); err != nil {
			p := problemOf(r.Op, err)
			out.Errors = append(out.Errors, importError{name, p.message(secret.DetailOf(err))})
		}
	}
	out.Failed = len(out.Errors)
	out.Success = out.Total - out.Failed
	return out, nil
}

// importOne sees to the audit line of a secret that is refused before anything
// is tried.
func (a *api) importOne(r *request, raw json.RawMessage) (name string, err error) {
	var body createSecretBody
	if err = decode(raw, &body); err == nil {
		name = body.Name
		_, err = a.create(r, &body)
	}
	if err == nil {
		return name, nil
	}
	ref := gateway.Ref{Store: r.store}
	if n, bad := ModelName(name); bad == nil { // else it may be anything, a value too
		ref.Name = n
	}
	if auditErr := a.svc.Reject(r.Context(), r.call, ref, err); auditErr != nil {
		err = auditErr
	}
	return name, err
}

type showVersionsBody struct {
	Names []string `json:"secret_name_list"`
}

type versionsAnswer struct {
	Total    int             `json:"total_count"`
	Versions []versionObject `json:"versions"`
}

// showVersions returns the current version of each, or the first error: an
// answer that left one out would look whole.
func (a *api) showVersions(r *request) (any, error) {
	var body showVersionsBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if len(body.Names) > maxBatch {
		return nil, secret.Errorf(secret.Invalid, "secret_name_list holds at most %d names", maxBatch)
	}
	out := versionsAnswer{Versions: []versionObject{}}
	size := 0
	for _, n := range body.Names {
		name, err := ModelName(n)
		if err != nil {
			return nil, err
		}
		sec, err := a.svc.Get(r.Context(), r.call, gateway.Ref{Store: r.store, Name: name}, secret.Current)
		if err != nil {
			return nil, err
		}
		if size += sec.Newest().Value.Len(); size > maxBatchValues {
			return nil, secret.Errorf(secret.TooLarge, "the values are too large for one answer: ask for fewer")
		}
		v, err := renderVersion(r.store, sec, sec.Newest())
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, v)
	}
	if out.Total = len(out.Versions); out.Total == 0 {
		return out, a.svc.Admit(r.call)
	}
	return out, nil
}

type deleteBody struct {
	InstanceID   string `json:"instance_id"`
	InstanceType string `json:"instance_type"`
}

type deleteAnswer struct {
	Total   int      `json:"total"`
	Success []string `json:"success_secrets"`
	Failed  []string `json:"failed_secrets"`
}

// deleteSecrets deletes what belongs to an instance of another of the vendor's
// services. Nothing here ever does. A request that names none must not be
// taken for all.
func (a *api) deleteSecrets(r *request) (any, error) {
	var body deleteBody
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	switch {
	case body.InstanceID == "":
		return nil, secret.Errorf(secret.Invalid, "instance_id is missing")
	case body.InstanceType != "" && !slices.Contains([]string{"RDS", "TaurusDB", "GaussDB", "APIG"}, body.InstanceType):
		return nil, secret.Errorf(secret.Invalid, "instance_type is none of RDS, TaurusDB, GaussDB and APIG")
	}
	return deleteAnswer{Success: []string{}, Failed: []string{}}, a.svc.Admit(r.call)
}
