package sqldump

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func wanted(name string) bool { return name == "xcap" }

// show writes rows as column=value, NULL in angle brackets.
func show(rows []Row) string {
	var b strings.Builder
	for _, row := range rows {
		for i, v := range row.Values {
			name := fmt.Sprint(i)
			if row.Columns != nil {
				name = row.Columns[i]
			}
			text := string(v.Bytes)
			switch {
			case v.Null:
				text = "<NULL>"
			case v.TooLong:
				text = "<too long>"
			}
			fmt.Fprintf(&b, "%s=%q ", name, text)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func all(in string) (rows []Row, err error) {
	r := NewReader(strings.NewReader(in), wanted)
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

func TestReader(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"nothing", "-- only a comment", ""},
		{"many rows without column list",
			"CREATE TABLE IF NOT EXISTS `xcap` (\n `id` int(10) unsigned NOT NULL AUTO_INCREMENT COMMENT 'a, b',\n `doc` mediumblob NOT NULL,\n PRIMARY KEY (`id`),\n KEY `k` (`doc`(10))\n) ENGINE=InnoDB;\n" +
				"LOCK TABLES `xcap` WRITE;\n/*!40000 ALTER TABLE `xcap` DISABLE KEYS */;\nINSERT INTO `xcap` VALUES (1,'a;b'),(2,NULL),\n(-3,0x3C61);\nUNLOCK TABLES;",
			`id="1" doc="a;b" ` + "\n" + `id="2" doc="<NULL>" ` + "\n" + `id="-3" doc="<a" ` + "\n"},
		{"escapes of MySQL", `INSERT INTO xcap (doc) VALUES ('\0\n\r\t\b\Z\\\'\"\%''"x');`, `doc="\x00\n\r\t\b\x1a\\'\"%'\"x" ` + "\n"},
		{"character sets and hexadecimal strings", `REPLACE INTO db.xcap (a,b,c,d) VALUES (_binary '\'',_utf8mb4'x',X'3C3e',_binary 0x41);`, `a="'" b="x" c="<>" d="A" ` + "\n"},
		{"strings in double quotes", `INSERT IGNORE INTO xcap VALUES ("it's \"q\"");`, `0="it's \"q\"" ` + "\n"},
		{"comments in between", "INSERT /* ; */ INTO xcap -- ;\n # x'\n VALUES /*!99999 (9), */ (1) ;", `0="1" ` + "\n"},
		{"other tables and statements", "INSERT INTO other VALUES ('xcap;',1);SET NAMES utf8;INSERT INTO xcap SELECT * FROM other;INSERT INTO xcap VALUES (1) ON DUPLICATE KEY UPDATE a=VALUES(a);INSERT INTO xcap VALUES (2);", `0="1" ` + "\n" + `0="2" ` + "\n"},
		{"triggers", "DELIMITER ;;\nCREATE TRIGGER x BEFORE INSERT ON y FOR EACH ROW BEGIN INSERT INTO xcap VALUES (1); END;;\nDELIMITER ;\nINSERT INTO xcap VALUES (2);", `0="2" ` + "\n"},
		{"strings of PostgreSQL",
			"SET standard_conforming_strings = on;\nCREATE TABLE public.xcap (id integer NOT NULL, doc bytea, note text);\n" +
				`INSERT INTO public.xcap VALUES (1, '\x3c613e', '\x41'), (2, '\\a\074'::bytea, E'\n\'');`,
			`id="1" doc="<a>" note="\\x41" ` + "\n" + `id="2" doc="\\a<" note="\n'" ` + "\n"},
		{"functions of PostgreSQL", "CREATE FUNCTION f() RETURNS void AS $x$ INSERT INTO xcap VALUES (1); $y$ ' $x$ LANGUAGE sql;INSERT INTO xcap OVERRIDING SYSTEM VALUE VALUES (2);", `0="2" ` + "\n"},
		{"COPY",
			"\\restrict abc'\nCREATE TABLE public.xcap (\n    id integer NOT NULL,\n    doc bytea NOT NULL,\n    note character varying(10)\n);\nCOPY public.other (a) FROM stdin;\nx'\n\\.\n" +
				"COPY public.xcap (note, doc, id) FROM stdin;\na\\tb\\\\\\n\\x41\\101'\t\\\\x3c613e\t1\n\\N\t\\\\074a\t2\n\\.\n\nSELECT 1;\nINSERT INTO xcap (id) VALUES (3);",
			`note="a\tb\\\nAA'" doc="<a>" id="1" ` + "\n" + `note="<NULL>" doc="<a" id="2" ` + "\n" + `id="3" ` + "\n"},
		{"empty COPY", "COPY xcap (a) FROM stdin;\n\\.\n", ""},
		{"the sqlite3 shell", "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE xcap (id INTEGER PRIMARY KEY, doc BLOB, UNIQUE (id));\nINSERT INTO xcap VALUES(1,X'3c');\nINSERT INTO \"xcap\" VALUES(2,'a\\');\nCOMMIT;",
			`id="1" doc="<" ` + "\n" + `id="2" doc="a\\" ` + "\n"},
	} {
		rows, err := all(test.in)
		if got := show(rows); err != nil || got != test.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", test.name, err, got, test.want)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, test := range []struct {
		name, in string
		line     int
	}{
		{"cut off in a string", "\nINSERT INTO xcap VALUES ('a", 2},
		{"cut off in a row", "INSERT INTO xcap VALUES (1,", 1},
		{"cut off between rows", "INSERT INTO xcap VALUES (1),\n", 2},
		{"an expression", "INSERT INTO xcap VALUES (now());", 1},
		{"a column too few", "CREATE TABLE xcap (a int, b int);\n\nINSERT INTO xcap VALUES (1);", 3},
		{"odd hexadecimal digits", "INSERT INTO xcap VALUES (0x123);", 1},
		{"COPY without end", "COPY xcap (a) FROM stdin;\n1\n", 3},
		{"many character sets", "INSERT INTO xcap VALUES (" + strings.Repeat("_a ", 1000) + "'x');", 1},
		{"too many columns", "INSERT INTO xcap VALUES (" + strings.Repeat("1,", 2000) + "1);", 1},
	} {
		_, err := all(test.in)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Line != test.line {
			t.Errorf("%s: %v, want an error of line %d", test.name, err, test.line)
		}
	}
}

// A value that is too long is dropped, what follows is read.
func TestLongValue(t *testing.T) {
	long := strings.Repeat("x", maxValue+1)
	for _, in := range []string{
		"INSERT INTO xcap VALUES (1,'" + long + "',2);",
		"INSERT INTO xcap VALUES (1,0x" + strings.Repeat("41", maxValue+1) + ",2);",
		"COPY xcap FROM stdin;\n1\t" + long + long + "xxx\t2\n\\.\n",
	} {
		rows, err := all(in)
		if err != nil || len(rows) != 1 || !rows[0].Values[1].TooLong || rows[0].Values[1].Bytes != nil || string(rows[0].Values[2].Bytes) != "2" {
			t.Errorf("%.30s: %v, %d rows", in, err, len(rows))
		}
	}
}

// Whatever the bytes are, reading ends, and rows are as wide as their table.
func FuzzReader(f *testing.F) {
	f.Add("CREATE TABLE `xcap` (`a` int, b bytea, PRIMARY KEY (a));INSERT INTO `xcap` VALUES (1,_binary 'a\\'b'),(0x41,NULL);")
	f.Add("SET standard_conforming_strings = on;COPY public.xcap (a, b) FROM stdin;\n1\t\\\\x41\n\\N\t\\101\n\\.\n")
	f.Add("DELIMITER ;;\nx\nDELIMITER ;\nINSERT INTO xcap (a) VALUES (X'41'),(E'\\n'::text) ON CONFLICT DO NOTHING; $a$ ; $a$")
	f.Fuzz(func(t *testing.T, in string) {
		rows, _ := all(in)
		for _, row := range rows {
			if row.Columns != nil && len(row.Columns) != len(row.Values) || row.Table != "xcap" {
				t.Fatalf("row %+v", row)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	var dump strings.Builder
	dump.WriteString("INSERT INTO xcap VALUES ")
	for i := range 1000 {
		if i > 0 {
			dump.WriteByte(',')
		}
		fmt.Fprintf(&dump, `(%d,'alice','%s')`, i, strings.Repeat(`<entry uri=\"sip:bob@example.com\"/>\n`, 20))
	}
	dump.WriteString(";")
	text := dump.String()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if rows, err := all(text); err != nil || len(rows) != 1000 {
			b.Fatal(len(rows), err)
		}
	}
}
