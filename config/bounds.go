package config

import (
	"fmt"
	"reflect"
)

// checkBounds holds every number in v to the tags min and max of its field,
// sizes as ParseSize reads them.
func checkBounds(rep *report, path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			checkBounds(rep, path, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			checkBounds(rep, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			at := join(path, f.Tag.Get("mapstructure"))
			if v.Field(i).CanInt() {
				checkBound(rep, at, f.Tag, v.Field(i).Int())
			}
			checkBounds(rep, at, v.Field(i))
		}
	default:
	}
}

func checkBound(rep *report, at string, tag reflect.StructTag, n int64) {
	least, hasLeast := tag.Lookup("min")
	most, hasMost := tag.Lookup("max")
	tooSmall, tooLarge := hasLeast && n < limit(least), hasMost && n > limit(most)
	switch {
	case !tooSmall && !tooLarge:
	case hasMost:
		rep.bad(at, "must be %s to %s", least, most)
	case least == "0":
		rep.bad(at, "must not be negative")
	default:
		rep.bad(at, "must be at least %s", least)
	}
}

// limit panics where the tag is no Size, which every load would meet.
func limit(text string) int64 {
	n, err := ParseSize(text)
	if err != nil {
		panic(err)
	}
	return int64(n)
}
