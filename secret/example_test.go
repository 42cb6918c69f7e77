package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vaultferry/vaultferry/secret"
)

// A value prints nowhere, whatever the verb, and whatever it is part of.
func ExampleValue() {
	password := secret.TextValue("correct horse")
	config := struct {
		User     string
		Password secret.Value
	}{"app", password}

	fmt.Println(password)
	fmt.Printf("%+v\n", config)
	fmt.Printf("%q %x %d\n", password, password, password)

	_, err := json.Marshal(config)
	fmt.Println("marshals:", !errors.Is(err, secret.ErrNotMarshalable))
	// Output:
	// [redacted]
	// {User:app Password:[redacted]}
	// [redacted] [redacted] [redacted]
	// marshals: false
}

// Reveal is the only way out. What may be told of a value needs no Reveal.
func ExampleValue_Reveal() {
	text := secret.TextValue("correct horse")
	bytes := secret.BinaryValue([]byte{0xff, 0x00})

	fmt.Println(text.Form(), text.Len(), bytes.Form(), bytes.Len())
	fmt.Println(text.Equal(secret.TextValue("correct horse")), text.Equal(bytes))
	fmt.Printf("%s\n", text.Reveal())
	// Output:
	// text 13 binary 2
	// true false
	// correct horse
}

// The zero Value holds nothing, which is not the empty text.
func ExampleValue_IsNone() {
	var nothing secret.Value
	empty := secret.TextValue("")

	fmt.Println(nothing.IsNone(), empty.IsNone())
	fmt.Println(nothing.Equal(empty))
	// Output:
	// true false
	// false
}
