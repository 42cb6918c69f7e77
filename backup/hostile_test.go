package backup

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// hostileBlobs makes the vectors of hostile-blobs.txtar.
func hostileBlobs(t *testing.T, k *Keyring) []txtar.File {
	t.Helper()
	plain := mustEncode(t, smallDocument())
	var out []txtar.File
	add := func(name, blob string) { out = append(out, txtar.File{Name: name, Data: []byte(blob)}) }
	withHeader := func(name, protected string) { add(name, craft(t, k, protected, plain)) }
	change := func(old, with string) string {
		if !strings.Contains(goodHeader, old) {
			t.Fatalf("the header has no %q", old)
		}
		return strings.Replace(goodHeader, old, with, 1)
	}
	good := craft(t, k, goodHeader, plain)
	parts := strings.Split(strings.TrimPrefix(good, prefix), ".")
	withPart := func(i int, s string) string {
		p := append([]string(nil), parts...)
		p[i] = s
		return prefix + strings.Join(p, ".")
	}

	add("header/empty", "")
	add("header/name-alone", prefix[:len(prefix)-1])
	add("header/no-prefix", strings.TrimPrefix(good, prefix))
	add("header/wrong-length-byte", "("+good[1:])
	add("header/name-of-a-later-format", strings.Replace(good, "BackupV1", "BackupV2", 1))
	add("parts/prefix-alone", prefix)
	add("parts/four", prefix+strings.Join(parts[:4], "."))
	add("parts/six", good+".AAAA")
	add("parts/line-feed-at-the-end", good+"\n")
	add("parts/line-feed-inside", withPart(3, parts[3][:8]+"\n"+parts[3][8:]))
	add("parts/carriage-return-inside", withPart(3, parts[3][:8]+"\r"+parts[3][8:]))
	add("parts/space-at-the-end", good+" ")
	add("parts/padded", withPart(4, parts[4]+"=="))
	add("parts/standard-alphabet", withPart(4, "+/"+parts[4][2:]))
	add("parts/stray-bits-in-the-tag", withPart(4, strayBits(t, parts[4])))
	add("parts/stray-bits-in-the-key", withPart(1, strayBits(t, parts[1])))
	add("parts/impossible-length", withPart(3, parts[3]+strings.Repeat("A", (5-len(parts[3])%4)%4)))
	add("parts/json-serialization", prefix+`{"protected":"`+parts[0]+`","encrypted_key":"`+parts[1]+`","iv":"`+parts[2]+`","ciphertext":"`+parts[3]+`","tag":"`+parts[4]+`"}`)

	withHeader("header/zip", change(`}`, `,"zip":"DEF"}`))
	withHeader("header/crit", change(`{"alg"`, `{"crit":["x"],"x":1,"alg"`))
	withHeader("header/p2c", change(`"typ"`, `"p2c":1000000,"typ"`))
	withHeader("header/cty", change(`"enc"`, `"cty":"JWT","enc"`))
	withHeader("header/jwk", change(`"kid"`, `"jwk":{"kty":"oct","k":"AAAA"},"kid"`))
	withHeader("header/alg-dir", change(`"A256KW"`, `"dir"`))
	withHeader("header/alg-none", change(`"A256KW"`, `"none"`))
	withHeader("header/alg-a128kw", change(`"A256KW"`, `"A128KW"`))
	withHeader("no-key/alg-of-another-key", change(`"A256KW"`, `"RSA-OAEP-256"`))
	withHeader("header/alg-rsa1_5", change(`"A256KW"`, `"RSA1_5"`))
	withHeader("header/alg-pbes2", change(`"A256KW"`, `"PBES2-HS512+A256KW"`))
	withHeader("header/enc-cbc", change(`"A256GCM"`, `"A256CBC-HS512"`))
	withHeader("header/enc-a128gcm", change(`"A256GCM"`, `"A128GCM"`))
	withHeader("header/typ-of-a-wrapped-key", change(`vaultferry-backup`, `vaultferry-key`))
	withHeader("header/typ-missing", change(`,"typ":"vaultferry-backup"`, ``))
	withHeader("header/kid-missing", change(`"kid":"aes",`, ``))
	withHeader("header/kid-null", change(`"aes"`, `null`))
	withHeader("header/kid-number", change(`"aes"`, `1`))
	withHeader("no-key/kid-unknown", change(`"aes"`, `"other"`))
	withHeader("no-key/kid-of-a-signing-key", change(`"aes"`, `"sign"`))
	withHeader("header/member-twice", change(`"kid":"aes"`, `"kid":"other","kid":"aes"`))
	withHeader("header/member-in-capitals", change(`"kid"`, `"KID"`))
	withHeader("header/order", `{"enc":"A256GCM","alg":"A256KW","kid":"aes","typ":"vaultferry-backup"}`)
	withHeader("header/space", change(`":"A256KW"`, `": "A256KW"`))
	withHeader("header/escaped-string", change(`"aes"`, `"\u0061es"`))
	withHeader("header/trailing", goodHeader+" ")
	withHeader("header/epk-with-an-aes-key", change(`"kid"`, `"epk":{"kty":"EC","crv":"P-256","x":"","y":""},"kid"`))
	withHeader("header/too-long", change(`"aes"`, `"`+strings.Repeat("a", 2000)+`"`))
	withHeader("header/not-json", "no")
	withHeader("header/null", "null")

	add("sizes/key-empty", withPart(1, ""))
	add("sizes/key-long", withPart(1, parts[1]+"AAAA"))
	add("sizes/iv-short", withPart(2, parts[2][:12]))
	add("sizes/iv-empty", withPart(2, ""))
	add("sizes/tag-short", withPart(4, parts[4][:16]))
	add("sizes/tag-empty", withPart(4, ""))
	add("sizes/ciphertext-empty", withPart(3, ""))
	add("decrypt/key-bit", withPart(1, flip(parts[1])))
	add("decrypt/iv-bit", withPart(2, flip(parts[2])))
	add("decrypt/ciphertext-bit", withPart(3, flip(parts[3])))
	add("decrypt/tag-bit", withPart(4, flip(parts[4])))
	add("decrypt/ciphertext-longer", withPart(3, parts[3]+strings.Repeat("A", 4+(4-len(parts[3])%4)%4)))
	add("decrypt/another-keyring-with-the-same-kid", strangerBlob(t, plain))
	return append(out, hostileCurves(t, k)...)
}

// hostileCurves are blobs whose ephemeral key is an attack on ECDH.
func hostileCurves(t *testing.T, k *Keyring) []txtar.File {
	t.Helper()
	blob := string(mustSeal(t, k.only(t, "ec-p256"), smallDocument()))
	other := string(mustSeal(t, k.only(t, "ec-p521"), smallDocument()))
	head, rest, _ := strings.Cut(strings.TrimPrefix(blob, prefix), ".")
	protected := decodePart(t, head)
	x, y := between(t, protected, `"x":"`), between(t, protected, `"y":"`)
	otherHead, _, _ := strings.Cut(strings.TrimPrefix(other, prefix), ".")
	otherProtected := decodePart(t, otherHead)
	swap := func(name, old, with string) txtar.File {
		changed := strings.Replace(protected, old, with, 1)
		if changed == protected {
			t.Fatalf("%s changes nothing", name)
		}
		return txtar.File{Name: name, Data: []byte(prefix + EncodeBase64URL([]byte(changed)) + "." + rest)}
	}
	zero := EncodeBase64URL(make([]byte, 32))
	return []txtar.File{
		swap("epk/not-on-the-curve", x, flip(x)),
		swap("epk/point-zero", x+`","y":"`+y, zero+`","y":"`+zero),
		swap("epk/coordinate-short", x, EncodeBase64URL([]byte(decodePart(t, x))[1:])),
		swap("epk/coordinate-long", x, EncodeBase64URL([]byte("\x00"+decodePart(t, x)))),
		swap("epk/coordinate-padded", x, x+"="),
		swap("epk/coordinate-stray-bits", x, strayBits(t, x)),
		swap("epk/coordinate-empty", x, ""),
		swap("epk/kty-okp", `"EC"`, `"OKP"`),
		swap("epk/curve-of-another-key", between(t, protected, `"epk":`), between(t, otherProtected, `"epk":`)),
		swap("epk/curve-name-alone", `"P-256"`, `"P-384"`),
		swap("epk/curve-unknown", `"P-256"`, `"secp256k1"`),
		swap("header/epk-private-half", `"y":"`, `"d":"`+zero+`","y":"`),
		swap("header/epk-missing", `"epk":`+between(t, protected, `"epk":`)+`,`, ``),
		swap("header/epk-string", between(t, protected, `"epk":`), `"x"`),
		swap("header/apu", `"enc"`, `"apu":"AAAA","enc"`),
		swap("decrypt/negated-point", y, negated(t, y)),
	}
}

// negated is p - y on P-256: a point on the curve that nobody sent.
func negated(t *testing.T, y string) string {
	t.Helper()
	p := bytes.Repeat([]byte{0xff}, 32)
	copy(p[4:], []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	b, borrow := []byte(decodePart(t, y)), 0
	for i := 31; i >= 0; i-- {
		d := int(p[i]) - int(b[i]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		b[i] = byte(d)
	}
	return EncodeBase64URL(b)
}

func strangerBlob(t *testing.T, plain []byte) string {
	t.Helper()
	k, err := ParseKeyring([]byte(`{"keys":[{"kty":"oct","use":"enc","alg":"A256KW","kid":"aes","k":"` + EncodeBase64URL(make([]byte, 32)) + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return craft(t, k, goodHeader, plain)
}

// between returns what follows mark: a string's inside, or a whole object.
func between(t *testing.T, s, mark string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, mark)
	end := strings.IndexByte(rest, '"')
	if strings.HasPrefix(rest, "{") {
		end = strings.IndexByte(rest, '}') + 1
	}
	if !ok || end < 0 {
		t.Fatalf("no %q", mark)
	}
	return rest[:end]
}

func decodePart(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// flip turns a bit in the first byte that s encodes.
func flip(s string) string {
	i := strings.IndexByte(base64URLAlphabet, s[0])
	return string(base64URLAlphabet[i^0x20]) + s[1:]
}

// strayBits returns another spelling of the same bytes, which lenient decoders
// accept.
func strayBits(t *testing.T, s string) string {
	t.Helper()
	i := strings.IndexByte(base64URLAlphabet, s[len(s)-1])
	stray := s[:len(s)-1] + string(base64URLAlphabet[i|1])
	if stray == s || decodePart(t, stray) != decodePart(t, s) {
		t.Fatal("not another spelling of the same bytes")
	}
	return stray
}

// hostileDocuments makes the vectors of hostile-documents.txtar.
func hostileDocuments(t *testing.T) []txtar.File {
	t.Helper()
	good := string(mustEncode(t, smallDocument()))
	var out []txtar.File
	add := func(name, doc string) {
		if doc == good {
			t.Fatalf("%s changes nothing", name)
		}
		out = append(out, txtar.File{Name: name, Data: []byte(doc)})
	}
	swap := func(name, old, with string) { add(name, strings.Replace(good, old, with, 1)) }
	add("not-json/null", "null{}")
	add("schema/null", "null")
	add("not-json/array", "["+good+"]")
	add("not-json/cut", good[:len(good)-1])
	add("not-json/second-document", good+good)
	add("not-json/trailing-brace", good+"}")
	add("not-json/byte-order-mark", "\ufeff"+good)
	add("not-canonical/trailing-newline", good+"\n")
	add("not-canonical/leading-space", " "+good)
	swap("not-canonical/space", `,"schema"`, `, "schema"`)
	swap("not-canonical/unknown-member", `"schema":1`, `"schem":1,"schema":1`)
	swap("not-canonical/unknown-member-of-version", `"ordinal":1`, `"order":1,"ordinal":1`)
	swap("not-canonical/member-twice", `"schema":1`, `"schema":1,"schema":1`)
	swap("not-canonical/tag-twice", `"b":"2"`, `"b":"1","b":"2"`)
	swap("not-canonical/member-in-capitals", `"schema"`, `"Schema"`)
	swap("not-canonical/order-of-members", `"current":1,"name":"n"`, `"name":"n","current":1`)
	swap("not-canonical/order-of-tags", `"b":"2","c":"3"`, `"c":"3","b":"2"`)
	swap("not-canonical/null-member", `"name":"n","tags"`, `"name":"n","previous":null,"tags"`)
	swap("not-canonical/zero-member", `"name":"n","tags"`, `"name":"n","previous":0,"tags"`)
	swap("not-canonical/false-member", `"ordinal":1`, `"disabled":false,"ordinal":1`)
	swap("not-canonical/empty-stages", `"ordinal":2`, `"ordinal":2,"stages":[]`)
	swap("not-canonical/needless-escape", `"text":"one"`, `"text":"\u006fne"`)
	swap("not-canonical/escaped-slash", `"text":"one"`, `"text":"\/"`)
	swap("not-canonical/long-escape", `"text":"one"`, `"text":"\u000a"`)
	swap("not-canonical/capital-hex", `"text":"one"`, `"text":"\u001F"`)
	swap("not-canonical/lone-surrogate", `"text":"one"`, `"text":"\ud800"`)
	swap("not-canonical/invalid-utf-8", `"text":"one"`, "\"text\":\"\xff\"")
	swap("not-canonical/two-values", `"text":"one"`, `"binary":"AQ==","text":"one"`)
	swap("not-canonical/unknown-form", `"text":"one"`, `"text":"one","words":"one"`)
	swap("not-canonical/time-offset", `"2026-01-02T03:04:05.000000678Z"`, `"2026-01-02T04:04:05.000000678+01:00"`)
	swap("not-canonical/time-trailing-zeros", `"2026-01-02T03:04:05.000000678Z"`, `"2026-01-02T03:04:05.100Z"`)
	swap("not-canonical/extra-with-space", `{"k":1}`, `{"k": 1}`)
	swap("not-canonical/base64-line-break", `"AQ=="`, `"AQ\n=="`)
	swap("not-json/base64-unpadded", `"AQ=="`, `"AQ"`)
	swap("not-json/base64-stray-bits", `"AQ=="`, `"AR=="`)
	swap("not-json/base64url-alphabet", `"AQ=="`, `"-_8="`)
	swap("not-json/time-not-rfc-3339", `"2026-01-02T03:04:05.000000678Z"`, `"2026-01-02"`)
	swap("not-json/time-is-a-number", `"2026-01-02T03:04:05.000000678Z"`, `1767323045`)
	swap("not-json/ordinal-is-a-string", `"ordinal":1`, `"ordinal":"1"`)
	swap("not-json/ordinal-with-exponent", `"ordinal":1`, `"ordinal":1e0`)
	swap("not-json/ordinal-with-fraction", `"ordinal":1`, `"ordinal":1.0`)
	swap("not-json/ordinal-too-large", `"ordinal":3`, `"ordinal":9223372036854775808`)
	swap("not-json/value-is-a-string", `{"text":"one"}`, `"one"`)
	swap("not-json/value-without-form", `{"text":"one"}`, `{}`)
	swap("not-json/uid-in-capitals", `"uid":"01000000000000000000000000000000"`, `"uid":"0A000000000000000000000000000000"`)
	swap("not-json/uid-short", `"uid":"01000000000000000000000000000000"`, `"uid":"01"`)
	swap("not-json/secret-missing", good[strings.Index(good, `,"secret"`):], `}`)
	swap("schema/missing", `"schema":1,`, ``)
	swap("schema/later", `"schema":1`, `"schema":2`)
	swap("rule/ordinal-zero", `"ordinal":1`, `"ordinal":0`)
	swap("rule/ordinal-negative", `"ordinal":1`, `"ordinal":-1`)
	swap("rule/ordinal-twice", `"ordinal":2`, `"ordinal":1`)
	swap("rule/versions-unsorted", `"ordinal":3`, `"ordinal":1`)
	swap("rule/uid-zero", `"uid":"01000000000000000000000000000000"`, `"uid":"00000000000000000000000000000000"`)
	swap("rule/uid-twice", `"uid":"02000000000000000000000000000000"`, `"uid":"01000000000000000000000000000000"`)
	swap("rule/current-names-no-version", `"current":1`, `"current":4`)
	swap("rule/current-negative", `"current":1`, `"current":-1`)
	swap("rule/previous-names-no-version", `"name":"n","tags"`, `"name":"n","previous":4,"tags"`)
	swap("rule/no-versions", good[strings.Index(good, `[{`):], `[]}}`)
	swap("rule/neither-value-nor-reason", `,"value":{"text":"one"}`, ``)
	swap("rule/value-and-reason", `"ordinal":1`, `"missing":"destroyed","ordinal":1`)
	swap("rule/unknown-reason", `"ordinal":1`, `"missing":"lost","ordinal":1`)
	swap("rule/stages-unsorted", `["x","y"]`, `["y","x"]`)
	swap("rule/stage-twice", `["x","y"]`, `["x","x"]`)
	swap("rule/stage-empty", `["x","y"]`, `["","x"]`)
	swap("rule/fields-are-no-object", `"fields":"{}"`, `"fields":"[]"`)
	swap("rule/fields-are-no-json", `"fields":"{}"`, `"fields":"{"`)
	swap("rule/name-missing", `"name":"n","tags"`, `"tags"`)
	swap("rule/name-with-control-character", `"name":"n","tags"`, `"name":"\u0001","tags"`)
	swap("rule/origin-without-gateway", `"gateway":"00112233445566778899aabbccddeeff",`, ``)
	swap("rule/origin-without-store", `,"store":"a"`, ``)
	swap("rule/origin-without-name", `"name":"n","store"`, `"store"`)
	swap("rule/sealing-time-missing", `"sealed_at":"2026-01-02T03:04:05.000000678Z",`, ``)
	return out
}
