package usage

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// simpleType is a simple type of XML Schema: which strings it admits and how
// to tell a person.
type simpleType struct {
	expected string
	valid    func(s string) bool
	id       bool // values are unique over the document (xs:ID)
}

var (
	anyString = &simpleType{"text", func(string) bool { return true }, false}
	anyURI    = &simpleType{"a URI", func(s string) bool { return validURI(collapse(s)) }, false}
	boolean   = enumeration(true, "true", "false", "1", "0")
	dateTime  = &simpleType{"a date and time such as 2026-01-31T18:30:00Z", func(s string) bool { return validDateTime(collapse(s)) }, false}
	xmlID     = &simpleType{"a name that starts with a letter or underscore and has no colon or blank", func(s string) bool { return validNCName(collapse(s)) }, true}
	// language is xml:lang: a language tag, or nothing to take back an outer one.
	language = &simpleType{"a language tag such as en or pt-BR", regexp.MustCompile(`^\s*([A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*)?\s*$`).MatchString, false}
	// RFC 3863 §4.4: the pattern of qvalue.
	qvalue = &simpleType{"a number from 0 to 1 with at most three decimals", regexp.MustCompile(`^\s*(0(\.[0-9]{0,3})?|1(\.0{0,3})?)\s*$`).MatchString, false}
)

// enumeration admits the listed values; collapsed ignores white space around them.
func enumeration(collapsed bool, values ...string) *simpleType {
	return &simpleType{
		expected: "one of " + strings.Join(values, ", "),
		valid: func(s string) bool {
			if collapsed {
				s = collapse(s)
			}
			return slices.Contains(values, s)
		},
	}
}

// collapse is the whiteSpace facet "collapse" for values without inner blanks.
func collapse(s string) string { return strings.Trim(s, " \t\r\n") }

// validURI is lenient as xs:anyURI is: anything but a broken escape. Clients
// write brackets and quotes of node selectors unescaped.
func validURI(s string) bool {
	for i := strings.IndexByte(s, '%'); i >= 0 && i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			return false
		}
		i += 2
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

var dateTimeForm = regexp.MustCompile(`^-?([0-9]{4,})-([0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?$`)

// validDateTime checks an xs:dateTime: years may have more than four digits,
// the zone is optional and 24:00:00 is midnight.
func validDateTime(s string) bool {
	m := dateTimeForm.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	clock := m[3]
	if clock == "24:00:00" && strings.Trim(m[4], ".0") == "" {
		clock = "00:00:00"
	}
	year := m[1][len(m[1])-4:] // the calendar repeats every 400 years
	if len(m[1]) > 4 && m[1][0] == '0' {
		return false
	}
	_, err := time.Parse("2006-01-02T15:04:05", year+"-"+m[2]+"T"+clock)
	return err == nil
}

func validNCName(s string) bool {
	for i, r := range s {
		switch {
		case r == '_' || unicode.IsLetter(r):
		case i > 0 && (r == '-' || r == '.' || r == '·' || unicode.IsDigit(r) || unicode.Is(unicode.M, r)):
		default:
			return false
		}
	}
	return s != ""
}
