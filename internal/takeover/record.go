package takeover

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"rollcall/internal/auth"
	"rollcall/internal/sqldump"
	"rollcall/internal/store"
)

// Account is a row of the table subscriber.
type Account struct {
	User, Domain string
	Password     string
	MD5          string // HA1 values in lower-case hex, empty where there are none
	SHA256       string
	SHA512       string
	Problem      string // why the row cannot be understood, else empty
}

// Document is a row of the table xcap.
type Document struct {
	User, Domain string
	AUID, Path   string
	Body         []byte
	Problem      string
}

// fields reads columns of one row and keeps the first problem.
type fields struct {
	row     *sqldump.Row
	problem string
}

func (f *fields) text(column string, needed bool) string {
	v, ok := f.row.Get(column)
	if (!ok || v.Null) && needed {
		f.fail("there is no " + column)
	}
	if v.TooLong {
		f.fail("the " + column + " is too long")
	}
	if !utf8.Valid(v.Bytes) || strings.ContainsRune(string(v.Bytes), 0) {
		f.fail("the " + column + " is not UTF-8")
		return strings.ToValidUTF8(string(v.Bytes), "?")
	}
	return string(v.Bytes)
}

func (f *fields) fail(problem string) {
	if f.problem == "" {
		f.problem = problem
	}
}

func readAccount(row *sqldump.Row) Account {
	f := fields{row: row}
	a := Account{
		User: f.text("username", true), Domain: f.text("domain", false), Password: f.text("password", false),
		SHA256: hash(f.text("ha1_sha256", false), 64), SHA512: hash(f.text("ha1_sha512t256", false), 64),
	}
	// Kamailio can be told to keep SHA-256 where MD5 is by default.
	ha1 := f.text("ha1", false)
	a.MD5 = hash(ha1, 32)
	if long := hash(ha1, 64); long != "" {
		a.SHA256 = long
	}
	a.Problem = f.problem
	return a
}

// hash returns a hash of that many hex digits in lower case, else nothing.
func hash(s string, digits int) string {
	if _, err := hex.DecodeString(s); err != nil || len(s) != digits {
		return ""
	}
	return strings.ToLower(s)
}

// Credentials makes the account of a canonical AOR. note, when not empty, says
// what the operator should know about it.
func (a *Account) Credentials(aor string) (u store.User, note string, err error) {
	hashes := a.MD5 + a.SHA256 + a.SHA512
	if a.Password == "" && hashes == "" {
		return u, "", errors.New("neither a password nor a usable HA1")
	}
	text := a.Password
	if text == "" {
		text = "-" // the address is checked all the same
	}
	if u, err = auth.NewUser(aor, text); err != nil {
		return u, "", err
	}
	switch {
	case hashes == "", a.Password != "" && a.MD5 == u.HA1MD5, a.Password != "" && a.MD5 == "":
		return u, "", nil
	case a.Password != "":
		note = "password and HA1 do not belong together; the HA1 was taken"
	case a.SHA256 == "":
		note = "only an HA1 for MD5"
	}
	u.HA1MD5, u.HA1SHA256, u.HA1SHA512 = a.MD5, a.SHA256, a.SHA512
	return u, note, nil
}

func readDocument(row *sqldump.Row, auids map[int]string) Document {
	f := fields{row: row}
	d := Document{User: f.text("username", true), Domain: f.text("domain", false), Path: f.text("doc_uri", false)}
	body, ok := row.Get("doc")
	switch {
	case !ok || body.Null:
		f.fail("there is no doc")
	case body.TooLong:
		f.fail("the doc is too long")
	}
	d.Body = body.Bytes
	if strings.HasPrefix(string(d.Body), `\x`) { // bytea without a type to know it by
		d.Body = sqldump.Bytea(d.Body)
	}
	docType := f.text("doc_type", true)
	n, err := strconv.Atoi(docType)
	d.AUID = auids[n]
	if whole, path, ok := splitURI(d.Path); ok {
		d.AUID, d.Path = whole, path
	} else if err != nil || d.AUID == "" {
		f.fail(fmt.Sprintf("unknown doc_type %q", docType))
	}
	if d.Path = strings.Trim(d.Path, "/"); d.Path == "" {
		d.Path = "index"
	}
	d.Problem = f.problem
	return d
}

// splitURI takes AUID and document name out of a whole document URI, as Kamailio
// keeps it: .../AUID/users/XUI/name.
func splitURI(uri string) (auid, path string, ok bool) {
	before, after, ok := strings.Cut(uri, "/users/")
	_, path, named := strings.Cut(after, "/")
	if !ok || !named {
		return "", "", false
	}
	auid = before[strings.LastIndexByte(before, '/')+1:]
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	return auid, path, auid != "" && path != ""
}
