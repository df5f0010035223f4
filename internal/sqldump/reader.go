package sqldump

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of what is kept of a dump.
const (
	maxValue   = 4 << 20 // bytes of one value; what is longer is dropped
	maxRow     = 16 << 20
	maxColumns = 1000
	maxName    = 256
)

// Value is one field of a row.
type Value struct {
	Bytes   []byte
	Null    bool
	TooLong bool // the value was dropped
}

// Row is one row of a table. Columns is nil when the dump does not say what the
// columns are.
type Row struct {
	Table   string // without schema
	Columns []string
	Values  []Value
	Line    int // where it begins
}

// Get returns the value of a column.
func (r *Row) Get(column string) (Value, bool) {
	for i, name := range r.Columns {
		if i < len(r.Values) && strings.EqualFold(name, column) {
			return r.Values[i], true
		}
	}
	return Value{}, false
}

// SyntaxError says where a dump cannot be understood.
type SyntaxError struct {
	Line int
	Msg  string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// Reader reads the rows of the wanted tables.
type Reader struct {
	in     *bufio.Reader
	want   func(table string) bool
	line   int
	tables map[string]*table
	escape bool // a backslash in a plain string escapes, as with MySQL

	rows    *table // of the statement being read, nil between statements
	copying bool
}

// table is what a dump says of a table.
type table struct {
	name    string
	columns []string
	binary  []bool // by column: PostgreSQL's bytea, which is written as text
}

// NewReader returns a reader of the tables for which want is true; want gets
// the name without its schema.
func NewReader(in io.Reader, want func(table string) bool) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10), want: want, line: 1, tables: map[string]*table{}, escape: true}
}

// Next returns the next row, or io.EOF. After another error reading cannot go on.
func (r *Reader) Next() (Row, error) {
	for {
		if r.rows == nil {
			if err := r.statement(); err != nil {
				return Row{}, err
			}
			continue
		}
		read := r.tuple
		if r.copying {
			read = r.copyLine
		}
		row, ok, err := read()
		if err == nil && !ok {
			r.rows = nil
			continue
		}
		if errors.Is(err, io.EOF) {
			err = r.fail("the dump ends within a statement")
		}
		return row, err
	}
}

func (r *Reader) fail(format string, args ...any) error {
	return &SyntaxError{Line: r.line, Msg: fmt.Sprintf(format, args...)}
}

// row completes what was read of a row.
func (r *Reader) row(line int, values []Value) (Row, error) {
	t := r.rows
	if t.columns != nil && len(values) != len(t.columns) {
		return Row{}, r.fail("a row of %d values in table %s of %d columns", len(values), t.name, len(t.columns))
	}
	for i := range values {
		if i < len(t.binary) && t.binary[i] && !values[i].Null {
			values[i].Bytes = Bytea(values[i].Bytes)
		}
	}
	return Row{Table: t.name, Columns: t.columns, Values: values, Line: line}, nil
}

// statement reads up to the rows of a statement that has some, or over any other.
func (r *Reader) statement() error {
	t, err := r.next()
	if err != nil {
		return err
	}
	switch {
	case t.is(";"):
		return nil
	case t.is(`\`): // a command of psql, such as \connect
		return r.skipLine()
	case t.kind != word:
		return r.skipStatement()
	}
	switch strings.ToUpper(t.text) {
	case "INSERT", "REPLACE":
		return r.insert()
	case "CREATE":
		return r.create()
	case "COPY":
		return r.copyHeader()
	case "SET":
		return r.set()
	case "PRAGMA": // the sqlite3 shell
		r.escape = false
	case "DELIMITER":
		return r.delimiter()
	}
	return r.skipStatement()
}

// set looks for how PostgreSQL wants its strings understood.
func (r *Reader) set() error {
	t, err := r.next()
	if err != nil {
		return err
	}
	if t.kind == word && strings.EqualFold(t.text, "standard_conforming_strings") {
		if _, err := r.next(); err != nil { // "=" or TO
			return err
		}
		if t, err = r.next(); err != nil {
			return err
		}
		r.escape = strings.EqualFold(t.text, "off")
	}
	if t.is(";") {
		return nil
	}
	return r.skipStatement()
}

// delimiter skips what stands between two DELIMITER lines of the mysql client:
// triggers and routines.
func (r *Reader) delimiter() error {
	if err := r.skipLine(); err != nil {
		return err
	}
	for {
		start, err := r.linePrefix(len("DELIMITER ;"))
		if err != nil {
			return err
		}
		if strings.EqualFold(start, "DELIMITER ;") {
			return nil
		}
	}
}

// Bytea decodes the text form of PostgreSQL's bytea, hex or escape. What is in
// neither form is returned as it is.
func Bytea(text []byte) []byte {
	if len(text) >= 2 && text[0] == '\\' && text[1] == 'x' {
		if b, ok := fromHex(text[2:]); ok {
			return b
		}
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\':
			out = append(out, text[i])
		case i+1 < len(text) && text[i+1] == '\\':
			out = append(out, '\\')
			i++
		case i+3 < len(text) && isOctal(text[i+1]) && isOctal(text[i+2]) && isOctal(text[i+3]):
			out = append(out, (text[i+1]-'0')<<6|(text[i+2]-'0')<<3|(text[i+3]-'0'))
			i += 3
		default:
			return text
		}
	}
	return out
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

func fromHex(digits []byte) ([]byte, bool) {
	if len(digits)%2 != 0 {
		return nil, false
	}
	out := make([]byte, 0, len(digits)/2)
	for i := 0; i < len(digits); i += 2 {
		hi, lo := hexDigit(digits[i]), hexDigit(digits[i+1])
		if hi < 0 || lo < 0 {
			return nil, false
		}
		out = append(out, byte(hi<<4|lo))
	}
	return out, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
