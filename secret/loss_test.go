package secret

import "testing"

// TestLossReadsAsEnglish: what is lost, and of what, before the reason.
func TestLossReadsAsEnglish(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		loss Loss
		want string
	}{
		{Loss{Data, 1, "version", "CSMS holds 20 versions"}, "data: version 1 is not kept: CSMS holds 20 versions"},
		{Loss{Data, 1, "version", "is larger than Key Vault's limit of 25,600 bytes"}, "data: version 1 is larger than Key Vault's limit of 25,600 bytes"},
		{Loss{Data, 2, "value", "it is longer than 5 bytes"}, "data: the value of version 2 is not kept: it is longer than 5 bytes"},
		{Loss{Data, 2, "value", "is longer than 5 bytes"}, "data: the value of version 2 is longer than 5 bytes"},
		{Loss{Data, 3, "disabled", "x"}, "data: native tools can read version 3, which is disabled: x"},
		{Loss{Meaning, 3, "state", "x"}, "meaning: version 3 does not stay disabled: x"},
		{Loss{Meaning, 3, "expires", "x"}, "meaning: the expiry of version 3 is not kept: x"},
		{Loss{Meaning, 3, "not_before", "x"}, "meaning: the not-before time of version 3 is not kept: x"},
		{Loss{Meaning, 3, "expires_fraction", "x"}, "meaning: the expiry of version 3 is cut to whole seconds: x"},
		{Loss{Meaning, 3, "not_before_fraction", "x"}, "meaning: the not-before time of version 3 is cut to whole seconds: x"},
		{Loss{Meaning, 3, "content_type", "x"}, "meaning: the content type of version 3 is not kept: x"},
		{Loss{Meaning, 3, "tags", "x"}, "meaning: the tags of version 3 are not kept: x"},
		{Loss{Meaning, 0, "tags", "x"}, "meaning: the tags of the secret are not kept: x"},
		{Loss{Meaning, 3, "stages", "x"}, "meaning: the stages of version 3 are not kept: x"},
		{Loss{Meaning, 0, "extra", "x"}, "meaning: attributes of the secret that only one vendor knows are not kept: x"},
		{Loss{Meaning, 0, "description", "x"}, "meaning: the description of the secret is not kept: x"},
		{Loss{Meaning, 3, "uid", "x"}, "meaning: the id of version 3 is not kept: x"},
		{Loss{Meaning, 0, "current", "x"}, "meaning: native tools see another current version of the secret: x"},
		{Loss{Meaning, 0, "previous", "x"}, "meaning: native tools see another previous version of the secret: x"},
		{Loss{Trace, 0, "created", "x"}, "trace: native tools see another creation time of the secret: x"},
		{Loss{Trace, 4, "updated", "x"}, "trace: native tools see another update time of version 4: x"},
		{Loss{Trace, 4, "form", "x"}, "trace: native tools see another form of the value of version 4: x"},
		{Loss{Trace, 0, "number", "x"}, "trace: native tools see other numbers of the versions of the secret: x"},
		{Loss{Trace, 4, "deletion", "x"}, "trace: nothing deletes version 4 at the time that was set: x"},
		{Loss{Trace, 4, "unheard", "x"}, "trace: unheard of version 4 is not kept: x"},
	} {
		if got := tt.loss.String(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
