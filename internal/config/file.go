package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds the configuration file.
const maxFile = 1 << 20

// Resolver lets kong take flag values from the file that the flag --config
// names. A key that is no flag of Config is an error naming it and its line.
func Resolver() kong.Resolver { return &resolver{} }

type resolver struct {
	loaded bool
	path   string
	values map[string]value
}

type value struct {
	text string
	line int
}

// FileError is what is wrong with the configuration file. It names the file, and
// the line where it can.
type FileError struct{ Err error }

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Validate has nothing to do: keys are checked when the file is read.
func (r *resolver) Validate(*kong.Application) error { return nil }

// Resolve returns the file's value for flag unless the environment has one.
func (r *resolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if err := r.load(ctx); err != nil {
		return nil, &FileError{err}
	}
	v, ok := r.values[flag.Name]
	if !ok || len(flag.Envs) == 0 {
		return nil, nil
	}
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	trial := reflect.New(flag.Target.Type()).Elem()
	if err := flag.Parse(kong.Scan().PushTyped(v.text, kong.FlagValueToken), trial); err != nil {
		return nil, &FileError{fmt.Errorf("%s:%d: %w", r.path, v.line, err)}
	}
	return v.text, nil
}

func (r *resolver) load(ctx *kong.Context) error {
	if r.loaded {
		return nil
	}
	r.loaded = true
	for _, f := range ctx.Flags() {
		if f.Name == "config" {
			r.path, _ = ctx.FlagValue(f).(string)
		}
	}
	if r.path == "" {
		return nil
	}
	data, err := readFile(r.path)
	if err != nil {
		return err
	}
	r.values, err = parse(r.path, data)
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("configuration file %s: larger than %d bytes", path, maxFile)
	}
	return data, nil
}

// parse reads one flat mapping of setting to scalar or list of scalars.
func parse(path string, data []byte) (map[string]value, error) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	root := &doc
	if root.Kind == yaml.DocumentNode {
		root = root.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: expected settings of the form name: value", path, root.Line)
	}
	known := names()
	out := make(map[string]value, len(root.Content)/2)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, val := root.Content[i], root.Content[i+1]
		if !known[key.Value] {
			return nil, fmt.Errorf("%s:%d: unknown setting %q", path, key.Line, key.Value)
		}
		if _, twice := out[key.Value]; twice {
			return nil, fmt.Errorf("%s:%d: setting %q occurs twice", path, key.Line, key.Value)
		}
		read := textOf
		if key.Value == "delegates" {
			read = textOfDelegates
		}
		text, err := read(val)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", path, val.Line, key.Value, err)
		}
		out[key.Value] = value{text: text, line: val.Line}
	}
	return out, nil
}

func textOf(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, nil
	case yaml.SequenceNode:
		items := make([]string, len(n.Content))
		for i, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return "", errors.New("expected a list of plain values")
			}
			items[i] = c.Value
		}
		return kong.JoinEscaped(items, ','), nil
	default:
		return "", errors.New("expected a plain value or a list of them")
	}
}

// names returns the settings a file may hold: all of Config but the file itself.
func names() map[string]bool {
	out := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous {
				walk(f.Type)
				continue
			}
			if name := strings.TrimSpace(f.Tag.Get("name")); name != "" && name != "config" {
				out[name] = true
			}
		}
	}
	walk(reflect.TypeFor[Config]())
	return out
}
