package takeover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"rollcall/internal/sqldump"
)

// Server is whose data is read.
type Server int

// The servers that are known.
const (
	OpenXCAP Server = iota
	Kamailio
)

// auids returns the application usages by doc_type.
func (s Server) auids() map[int]string {
	list := map[int]string{
		1 << 1: "pres-rules",
		1 << 2: "resource-lists",
		1 << 3: "rls-services",
		1 << 4: "pidf-manipulation",
	}
	if s == OpenXCAP {
		list[1<<5] = "org.openmobilealliance.pres-rules"
		list[1<<6] = "org.openmobilealliance.pres-content"
		list[1<<7] = "org.openxcap.dialog-rules"
		return list
	}
	list[1<<5] = "xcap-caps"
	list[1<<6] = "org.openmobilealliance.user-profile"
	list[1<<7] = "org.openmobilealliance.pres-content"
	list[1<<8] = "org.openmobilealliance.search"
	list[1<<9] = "org.openmobilealliance.xcap-directory"
	return list
}

// Names of the tables, the same for both servers.
const (
	subscriberTable = "subscriber"
	xcapTable       = "xcap"
)

// ErrMySQL says that a database cannot be read over the network.
var ErrMySQL = errors.New("MySQL and MariaDB are not read over the network: make a dump with mysqldump (or mariadb-dump) and name the file")

// tables is where rows come from. each calls fn for every row until fn fails;
// found is false when there is no such table.
type tables interface {
	each(ctx context.Context, table string, fn func(*sqldump.Row) error) (found bool, err error)
	close() error
}

// Source is a database of another server.
type Source struct {
	server Server
	tables tables
}

// Open opens postgres://..., a SQLite file or a file with a dump, which may be
// compressed with gzip. A prefix sqlite: or file: is allowed.
func Open(ctx context.Context, server Server, db string) (*Source, error) {
	scheme, _, _ := strings.Cut(db, ":")
	var t tables
	var err error
	switch scheme {
	case "postgres", "postgresql":
		t, err = openPostgres(ctx, db)
	case "mysql", "mariadb", "mysql+pymysql", "mysql+mysqldb":
		return nil, ErrMySQL
	default:
		t, err = openFile(db)
	}
	if err != nil {
		return nil, err
	}
	return &Source{server: server, tables: t}, nil
}

func openFile(name string) (tables, error) {
	for _, prefix := range []string{"sqlite://", "sqlite:", "file://", "file:"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name = rest
			break
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	magic := make([]byte, 16)
	n, err := f.Read(magic)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if bytes.Equal(magic[:n], []byte("SQLite format 3\x00")) {
		return openSQLite(name)
	}
	return &dump{name: name, gzip: bytes.HasPrefix(magic[:n], []byte{0x1f, 0x8b})}, nil
}

// Accounts calls fn for every account. found is false when there is no table of them.
func (s *Source) Accounts(ctx context.Context, fn func(Account) error) (found bool, err error) {
	return s.tables.each(ctx, subscriberTable, func(row *sqldump.Row) error { return fn(readAccount(row)) })
}

// Documents calls fn for every document. found is false when there is no table of them.
func (s *Source) Documents(ctx context.Context, fn func(Document) error) (found bool, err error) {
	auids := s.server.auids()
	return s.tables.each(ctx, xcapTable, func(row *sqldump.Row) error { return fn(readDocument(row, auids)) })
}

// Close closes the database.
func (s *Source) Close() error { return s.tables.close() }
