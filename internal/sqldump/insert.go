package sqldump

import (
	"slices"
	"strings"
)

// insert reads INSERT [...] INTO table [(columns)] VALUES.
func (r *Reader) insert() error {
	t, err := r.next()
	for ; err == nil && t.kind == word && isModifier(t.text); t, err = r.next() {
	}
	if err != nil {
		return err
	}
	name, t, err := r.name(t)
	if err != nil {
		return err
	}
	if !r.want(name) {
		if t.is(";") {
			return nil
		}
		return r.skipStatement()
	}
	target := r.tables[name]
	if target == nil {
		target = &table{name: name}
	}
	if t.is("(") {
		columns, err := r.names()
		if err != nil {
			return err
		}
		target = target.selected(columns)
		if t, err = r.next(); err != nil {
			return err
		}
	}
	for ; t.kind == word && !strings.EqualFold(t.text, "VALUES"); t, err = r.next() {
		if err != nil {
			return err
		}
		if strings.EqualFold(t.text, "SELECT") {
			return r.skipStatement()
		}
	}
	if t.kind != word {
		return r.fail("INSERT into %s without VALUES", name)
	}
	r.rows, r.copying = target, false
	return nil
}

func isModifier(text string) bool {
	switch strings.ToUpper(text) {
	case "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "OR", "REPLACE", "INTO":
		return true
	}
	return false
}

// selected is the table with only some of its columns, in another order.
func (t *table) selected(columns []string) *table {
	s := &table{name: t.name, columns: columns, binary: make([]bool, len(columns))}
	for i, c := range columns {
		if k := slices.Index(t.columns, c); k >= 0 {
			s.binary[i] = t.binary[k]
		}
	}
	return s
}

// name reads a table name that begins with token t, with or without schema, and
// returns it and the token after it.
func (r *Reader) name(t token) (string, token, error) {
	for {
		if t.kind != word && t.kind != ident || len(t.text) > maxName {
			return "", t, r.fail("a name was expected")
		}
		after, err := r.next()
		if err != nil || !after.is(".") {
			return t.text, after, err
		}
		if t, err = r.next(); err != nil {
			return "", t, err
		}
	}
}

// names reads a list of names up to its closing parenthesis.
func (r *Reader) names() ([]string, error) {
	var list []string
	for {
		t, err := r.next()
		if err != nil {
			return nil, err
		}
		switch {
		case t.is(")"):
			return list, nil
		case t.is(","):
		case t.kind != word && t.kind != ident, len(t.text) > maxName, len(list) == maxColumns:
			return nil, r.fail("a list of column names was expected")
		default:
			list = append(list, t.text)
		}
	}
}

// tuple reads one parenthesised row. ok is false at the end of the statement.
func (r *Reader) tuple() (row Row, ok bool, err error) {
	t, err := r.next()
	if err == nil && t.is(",") {
		t, err = r.next()
	}
	switch {
	case err != nil:
		return Row{}, false, err
	case t.is(";"):
		return Row{}, false, nil
	case t.kind == word: // ON DUPLICATE KEY UPDATE, ON CONFLICT, RETURNING
		return Row{}, false, r.skipStatement()
	case !t.is("("):
		return Row{}, false, r.fail("a row of table %s was expected", r.rows.name)
	}
	line, size := r.line, 0
	var values []Value
	for {
		v, err := r.value()
		if err != nil {
			return Row{}, false, err
		}
		if size += len(v.Bytes); size > maxRow {
			v = Value{TooLong: true}
		}
		values = append(values, v)
		if t, err = r.afterValue(); err != nil {
			return Row{}, false, err
		}
		if t.is(")") {
			row, err := r.row(line, values)
			return row, true, err
		}
		if !t.is(",") || len(values) == maxColumns {
			return Row{}, false, r.fail("table %s: a row holds something else than literals", r.rows.name)
		}
	}
}

// afterValue returns the token after a value and, if there is one, its cast.
func (r *Reader) afterValue() (token, error) {
	t, err := r.next()
	if err != nil || !t.is(":") {
		return t, err
	}
	for ; err == nil && (t.kind == word || t.is(":")); t, err = r.next() {
	}
	return t, err
}

// value reads one literal.
func (r *Reader) value() (Value, error) {
	t, err := r.next()
	if err != nil {
		return Value{}, err
	}
	switch {
	case t.kind == text, t.kind == ident:
		// In double quotes, too: a string in MySQL.
		return literal(t), nil
	case t.is("-"), t.is("+"):
		n, err := r.next()
		if err != nil || n.kind != word {
			return Value{}, r.fail("table %s: a number was expected", r.rows.name)
		}
		return Value{Bytes: []byte(strings.TrimPrefix(t.text, "+") + n.text)}, nil
	case t.kind != word:
		return Value{}, r.fail("table %s: a value was expected", r.rows.name)
	case strings.EqualFold(t.text, "NULL"), strings.EqualFold(t.text, "DEFAULT"):
		return Value{Null: true}, nil
	case t.tooLong:
		return Value{TooLong: true}, nil
	case strings.HasPrefix(t.text, "0x"), strings.HasPrefix(t.text, "0X"):
		return r.hex(t)
	case r.peek() == '\'':
		return r.prefixed(t.text)
	case t.text[0] == '_' && isBlank(r.peek()): // a character set, as in _binary '...'
		return r.introduced()
	}
	return Value{Bytes: []byte(t.text)}, nil
}

// introduced reads the string after the name of a character set.
func (r *Reader) introduced() (Value, error) {
	t, err := r.next()
	switch {
	case err != nil:
		return Value{}, err
	case t.kind == text, t.kind == ident:
		return literal(t), nil
	case t.kind == word && (strings.HasPrefix(t.text, "0x") || strings.HasPrefix(t.text, "0X")):
		return r.hex(t)
	case t.kind == word && strings.EqualFold(t.text, "X") && r.peek() == '\'':
		return r.prefixed(t.text)
	}
	return Value{}, r.fail("table %s: a string was expected", r.rows.name)
}

func (r *Reader) hex(t token) (Value, error) {
	if t.tooLong {
		return Value{TooLong: true}, nil
	}
	if b, ok := fromHex([]byte(t.text[2:])); ok {
		return Value{Bytes: b}, nil
	}
	return Value{}, r.fail("table %s: malformed hexadecimal value", r.rows.name)
}

func literal(t token) Value {
	if t.tooLong {
		return Value{TooLong: true}
	}
	return Value{Bytes: []byte(t.text)}
}

// prefixed reads a string with a letter right before it.
func (r *Reader) prefixed(prefix string) (Value, error) {
	quote, _ := r.read()
	escape := r.escape || strings.EqualFold(prefix, "E")
	t, err := r.quoted(quote, text, escape)
	if err != nil {
		return Value{}, err
	}
	v := literal(t)
	if strings.EqualFold(prefix, "X") && !v.TooLong {
		b, ok := fromHex(v.Bytes)
		if !ok {
			return Value{}, r.fail("table %s: malformed hexadecimal value", r.rows.name)
		}
		v.Bytes = b
	}
	return v, nil
}
