package sqldump

import "strings"

// copyHeader reads COPY table [(columns)] FROM stdin [...]; up to the end of its line.
func (r *Reader) copyHeader() error {
	t, err := r.next()
	if err != nil {
		return err
	}
	if t.kind != word && t.kind != ident { // COPY (SELECT ...) TO
		return r.skipStatement()
	}
	name, t, err := r.name(t)
	if err != nil {
		return err
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
	if t.kind != word || !strings.EqualFold(t.text, "FROM") {
		return r.skipStatement()
	}
	if t, err = r.next(); err != nil {
		return err
	}
	inline := strings.EqualFold(t.text, "stdin")
	if err := r.skipStatement(); err != nil || !inline {
		return err
	}
	if err := r.skipLine(); err != nil {
		return err
	}
	if !r.want(name) {
		return r.skipCopy()
	}
	r.rows, r.copying = target, true
	return nil
}

// skipCopy reads over the lines of a table that nobody wants.
func (r *Reader) skipCopy() error {
	for {
		start, err := r.linePrefix(3)
		if err != nil {
			return r.unfinished(err)
		}
		if strings.TrimSuffix(start, "\r") == `\.` {
			return nil
		}
	}
}

// copyLine reads one line of a COPY block. ok is false at its end.
func (r *Reader) copyLine() (row Row, ok bool, err error) {
	if b, err := r.in.Peek(2); err == nil && string(b) == `\.` {
		return Row{}, false, r.skipLine()
	}
	line, size := r.line, 0
	var values []Value
	for {
		v, more, err := r.field()
		if err != nil {
			return Row{}, false, err
		}
		if size += len(v.Bytes); size > maxRow {
			v = Value{TooLong: true}
		}
		values = append(values, v)
		if !more {
			row, err := r.row(line, values)
			return row, true, err
		}
		if len(values) == maxColumns {
			return Row{}, false, r.fail("table %s: too many columns", r.rows.name)
		}
	}
}

// field reads one field of PostgreSQL's text format; more says that another
// follows in the line.
func (r *Reader) field() (v Value, more bool, err error) {
	v.Bytes = []byte{}
	for {
		c, err := r.read()
		if err != nil {
			return v, false, err
		}
		switch c {
		case '\t', '\n':
			if v.TooLong {
				v.Bytes = nil
			}
			return v, c == '\t', nil
		case '\\':
			if c, err = r.read(); err != nil {
				return v, false, err
			}
			if c == 'N' && len(v.Bytes) == 0 {
				if next := r.peek(); next == '\t' || next == '\n' {
					v.Null = true
					continue
				}
			}
			c = r.copyEscape(c)
		}
		if len(v.Bytes) < 2*maxValue+2 { // bytea in hexadecimal
			v.Bytes = append(v.Bytes, c)
		} else {
			v.TooLong = true
		}
	}
}

// copyEscape is what a backslash and c, with the digits after it, stand for.
func (r *Reader) copyEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'v':
		return '\v'
	case 'x':
		return r.digits(16, 2, 0, c)
	}
	if isOctal(c) {
		return r.digits(8, 2, int(c-'0'), c)
	}
	return c
}

// digits reads up to n digits that continue a number; without any, c stands for itself.
func (r *Reader) digits(base, n, number int, c byte) byte {
	read := 0
	for ; read < n; read++ {
		d := hexDigit(r.peek())
		if d < 0 || d >= base {
			break
		}
		_, _ = r.read()
		number = number*base + d
	}
	if read == 0 && base == 16 {
		return c
	}
	return byte(number)
}
