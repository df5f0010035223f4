package row

import (
	"encoding/json"
	"fmt"
	"time"
)

// Table describes the table of rows R with primary key K. Values are string,
// int64 or []byte; times are microseconds since 1970, lists JSON arrays.
type Table[R, K any] struct {
	Name      string
	Key       []string // the first of Columns
	Columns   []string
	KeyValues func(k K) []any
	Values    func(r *R) []any // in order of Columns
	Targets   func(r *R) []any // what to scan Columns into
}

// Time returns the column value of a time.
func Time(t time.Time) int64 { return t.UnixMicro() }

// Bytes returns the column value of a body: never NULL.
func Bytes(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Strings returns the column value of a list.
func Strings(list []string) string {
	if len(list) == 0 {
		return ""
	}
	b, err := json.Marshal(list)
	if err != nil { // strings always marshal
		return ""
	}
	return string(b)
}

// Bool returns the column value of a truth value.
func Bool(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// ScanBool is a scan target for a truth value.
type ScanBool struct{ To *bool }

// Scan implements sql.Scanner.
func (s ScanBool) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("truth value is a %T, not an integer", src)
	}
	*s.To = n != 0
	return nil
}

// ScanTime is a scan target for a time.
type ScanTime struct{ To *time.Time }

// Scan implements sql.Scanner.
func (s ScanTime) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("time is a %T, not an integer", src)
	}
	*s.To = time.UnixMicro(n).UTC()
	return nil
}

// ScanStrings is a scan target for a list.
type ScanStrings struct{ To *[]string }

// Scan implements sql.Scanner.
func (s ScanStrings) Scan(src any) error {
	*s.To = nil
	switch text := src.(type) {
	case string:
		if text == "" {
			return nil
		}
		return json.Unmarshal([]byte(text), s.To)
	default:
		return fmt.Errorf("list is a %T, not text", src)
	}
}
