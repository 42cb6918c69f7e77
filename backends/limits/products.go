package limits

import "time"

// Where the numbers come from.
const (
	ours          = "this program"
	bboltPiece    = "this program: bbolt handles a value in one piece"
	postgresPiece = "this program: a value travels to the database in one piece"
	azureDocs     = "learn.microsoft.com: Azure Key Vault secrets, service limits, REST reference 7.4"
	azureTags     = azureDocs + ": 512 since 2024, before that 256"
	azureProbe    = "REST reference 7.4, as package azurekv proves it"
	csmsModel     = "Huawei Cloud SDK v3 model and API reference, CreateSecret"
	csmsStage     = "API reference, UpdateSecretStage"
	csmsCount     = "API reference, CreateSecretVersion"
	csmsTag       = "API reference, CreateSecretTag; SDK TagItem"
	csmsBinary    = "inference: 32768 characters of base64"
	vaultRaft     = "raft entries and strings of 1 MiB, less what the server adds; measured"
	vaultMeta     = "custom_metadata: 64 keys of 128 bytes, values of 512; the rest in a companion secret of at most 900 KiB"
	vaultPath     = "the server's check of paths: printable characters"
)

// Products lists every product.
func Products() []Product {
	return []Product{memory(), bolt(), postgres(), vault2(), vault1(), keyVault(), csms()}
}

func embedded(backend, name string) Product {
	p := Product{
		Backend: backend, Name: name, Names: Alphabet{"any", ours}, NameLength: Limit{512, "bytes", ours},
		StageNames: Alphabet{"any", ours}, Resolution: time.Nanosecond, Homes: map[Attribute]Home{},
		Moves: Requests{Create: 1, Append: 1, Look: 1},
	}
	for _, a := range Attributes() {
		p.Homes[a] = Native
	}
	return p
}

func memory() Product { return embedded("memory", "memory") }

func bolt() Product {
	p := embedded("bolt", "bolt")
	p.Text = Limit{16 << 20, "bytes", bboltPiece}
	p.Binary = p.Text
	return p
}

func postgres() Product {
	p := embedded("postgres", "PostgreSQL")
	p.Moves.Create, p.Moves.Append = 3, 3
	p.Text = Limit{16 << 20, "bytes", postgresPiece}
	p.Binary = p.Text
	return p
}

func vault2() Product {
	return Product{
		Backend: "hashivault", As: "hashivault", Name: "HashiCorp Vault KV v2",
		Moves: Requests{Create: 4, Version: 1, Added: 4, Look: 1},
		Text:  Limit{700 << 10, "bytes", vaultRaft}, Binary: Limit{700 << 10, "bytes", vaultRaft},
		NameLength: Limit{512, "bytes", ours}, Names: Alphabet{"a path of printable characters; anything else is escaped", vaultPath},
		StageNames: Alphabet{"any", ours}, Room: Limit{900 << 10, "bytes", vaultMeta}, Resolution: time.Nanosecond,
		Homes: map[Attribute]Home{
			Value: Native, Bytes: Beside, Fields: Native, Ordinal: Native, UID: Beside, Times: Beside, Roles: Beside, Disabled: Beside,
			NotBefore: Beside, Expires: Beside, Type: Beside, Tags: Beside, Labels: Beside, Text: Beside, SecretTags: Native, Extra: Beside,
			Valueless: Native, DisabledOut: Native,
		},
	}
}

// vault1 keeps one version, and in the companion what is known of it.
func vault1() Product {
	p := vault2()
	p.Backend, p.As, p.Name = "", "hashivault-v1", "HashiCorp Vault KV v1"
	p.Moves = Requests{Create: 5, Added: 4, Look: 2}
	p.Versions = Limit{1, "versions", "KV v1 keeps no versions"}
	p.Room = Limit{450 << 10, "bytes", "half of a companion secret of at most 900 KiB"}
	p.Homes[Ordinal], p.Homes[SecretTags], p.Homes[Valueless] = Beside, Beside, Nobody
	return p
}

func keyVault() Product {
	return Product{
		Backend: "azurekv", As: "azurekv", Name: "Azure Key Vault",
		Moves: Requests{Create: 3, Version: 1, Added: 2, Look: 1},
		Text:  Limit{25600, "bytes", azureDocs}, Binary: Limit{19200, "bytes", "25600 bytes of base64"},
		NameLength: Limit{127, "characters", azureDocs}, Names: Alphabet{"a-z 0-9 -, case ignored; anything else is escaped", azureDocs},
		VersionTags: Limit{14, "tags", azureDocs + ": 15, of which one is the gateway's"},
		TagName:     Limit{512, "characters", azureTags}, TagValue: Limit{512, "characters", azureTags},
		Requests:    Limit{400, "requests a second", azureDocs + ": 4000 in ten seconds, a vault"},
		ContentType: Limit{255, "characters", azureDocs}, StageNames: Alphabet{"any", ours},
		Room: Limit{256, "characters of JSON in one tag of each version", azureProbe}, Resolution: time.Second,
		Homes: map[Attribute]Home{
			Value: Native, Bytes: Beside, Fields: Beside, Ordinal: Beside, UID: Beside, Times: Beside, Roles: Beside, Disabled: Native,
			NotBefore: Native, Expires: Native, Type: Native, Tags: Native, Labels: Beside, Text: Beside, SecretTags: Native, Extra: Beside,
			Valueless: Nobody, DisabledOut: Nobody,
		},
	}
}

func csms() Product {
	return Product{
		Backend: "huaweicsms", As: "csms", Name: "Huawei Cloud CSMS",
		Moves: Requests{Create: 3, Version: 1, Added: 5, Look: 3},
		Text:  Limit{32768, "bytes", csmsModel}, Binary: Limit{24576, "bytes", csmsBinary},
		Versions:   Limit{20, "versions", csmsCount},
		NameLength: Limit{64, "characters", csmsModel}, Names: Alphabet{"A-Z a-z 0-9 - _ .; anything else is escaped or hashed", csmsModel},
		SecretTags: Limit{20, "tags", csmsTag}, TagName: Limit{128, "characters", csmsTag}, TagValue: Limit{255, "characters", csmsTag},
		Stages: Limit{10, "labels", csmsStage + ": 12, of which two are the roles"}, StageLength: Limit{64, "characters", csmsStage},
		StageNames:  Alphabet{"A-Z a-z 0-9 - _ .", csmsStage},
		Description: Limit{2048, "bytes", csmsModel}, Room: Limit{2048, "bytes of the description, deflated", csmsModel},
		Resolution: time.Second,
		Homes: map[Attribute]Home{
			Value: Native, Bytes: Native, Fields: Beside, Ordinal: Beside, UID: Beside, Times: Beside, Roles: Native, Disabled: Beside,
			NotBefore: Beside, Expires: Native, Type: Beside, Tags: Beside, Labels: Native, Text: Native, SecretTags: Native, Extra: Beside,
			Valueless: Nobody, DisabledOut: Native,
		},
	}
}
