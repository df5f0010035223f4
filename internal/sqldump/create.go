package sqldump

import "strings"

// create remembers the columns of a wanted table.
func (r *Reader) create() error {
	t, err := r.next()
	for ; err == nil && t.kind == word && !strings.EqualFold(t.text, "TABLE"); t, err = r.next() {
		if !isTableModifier(t.text) {
			return r.skipStatement() // an index, a view, a routine
		}
	}
	if err != nil {
		return err
	}
	if t.is(";") {
		return nil
	}
	for t, err = r.next(); err == nil && t.kind == word && isIfNotExists(t.text); t, err = r.next() {
	}
	if err != nil {
		return err
	}
	name, t, err := r.name(t)
	if err != nil {
		return err
	}
	if t.is(";") {
		return nil
	}
	if r.want(name) && t.is("(") {
		def := &table{name: name}
		if err := r.columns(def); err != nil {
			return err
		}
		r.tables[name] = def
	}
	return r.skipStatement()
}

func isTableModifier(text string) bool {
	switch strings.ToUpper(text) {
	case "OR", "REPLACE", "TEMPORARY", "TEMP", "UNLOGGED", "GLOBAL", "LOCAL":
		return true
	}
	return false
}

func isIfNotExists(text string) bool {
	switch strings.ToUpper(text) {
	case "IF", "NOT", "EXISTS":
		return true
	}
	return false
}

// columns reads the definitions between the parentheses of CREATE TABLE.
func (r *Reader) columns(def *table) error {
	depth, first := 1, true // whether the next token begins a definition
	for {
		t, err := r.next()
		if err != nil {
			return err
		}
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			if depth--; depth == 0 {
				return nil
			}
		case t.is(",") && depth == 1:
			first = true
			continue
		case first && (t.kind == ident || t.kind == word && !isConstraint(t.text)):
			if err := r.column(def, t.text); err != nil {
				return err
			}
		case t.is(";"):
			return r.fail("the definition of table %s is not complete", def.name)
		}
		first = false
	}
}

func (r *Reader) column(def *table, name string) error {
	if len(name) > maxName || len(def.columns) == maxColumns {
		return r.fail("table %s has too many columns, or too long names", def.name)
	}
	// The type follows at once, and is a plain word when it is the one looked for.
	blank := false
	for isBlank(r.peek()) {
		_, _ = r.read()
		blank = true
	}
	binary := false
	if b, err := r.in.Peek(len("bytea")); err == nil && blank {
		binary = strings.EqualFold(string(b), "bytea")
	}
	def.columns, def.binary = append(def.columns, name), append(def.binary, binary)
	return nil
}

// isConstraint reports whether an unquoted word begins something else than a column.
func isConstraint(text string) bool {
	switch strings.ToUpper(text) {
	case "PRIMARY", "UNIQUE", "KEY", "INDEX", "CONSTRAINT", "FOREIGN", "CHECK", "FULLTEXT", "SPATIAL", "EXCLUDE", "LIKE", "PERIOD":
		return true
	}
	return false
}
