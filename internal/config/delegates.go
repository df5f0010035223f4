package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// textOfDelegates is textOf for the setting delegates, whose items may also be
// mappings with the keys user, for, auid and write.
func textOfDelegates(n *yaml.Node) (string, error) {
	if n.Kind != yaml.SequenceNode {
		return textOf(n)
	}
	var items []string
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			items = append(items, item.Value)
			continue
		}
		texts, err := compactDelegate(item)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", item.Line, err)
		}
		items = append(items, texts...)
	}
	return kong.JoinEscaped(items, ','), nil
}

// compactDelegate writes one mapping in the form that flags have, once for each
// owner and application usage.
func compactDelegate(n *yaml.Node) ([]string, error) {
	if n.Kind != yaml.MappingNode {
		return nil, errors.New("expected user, for, auid and write, or the text USER=OWNER:AUID")
	}
	var user, write string
	var owners, auids []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i].Value, n.Content[i+1]
		values, err := plainValues(val)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		switch {
		case key == "for":
			owners = values
		case key == "auid":
			auids = values
		case key == "user" && len(values) == 1:
			user = values[0]
		case key == "write" && len(values) == 1 && (values[0] == "true" || values[0] == "false"):
			if values[0] == "true" {
				write = ":write"
			}
		default:
			return nil, fmt.Errorf("%s: unknown, or not a value that it can have", key)
		}
	}
	if user == "" || len(owners) == 0 {
		return nil, errors.New("user and for are needed")
	}
	if len(auids) == 0 {
		auids = []string{everyAUID}
	}
	var texts []string
	for _, owner := range owners {
		for _, auid := range auids {
			texts = append(texts, user+"="+strings.TrimPrefix(owner, "sip:")+":"+auid+write)
		}
	}
	return texts, nil
}

// plainValues are the values of a scalar or of a list of scalars.
func plainValues(n *yaml.Node) ([]string, error) {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("expected a plain value or a list of them")
	}
	var values []string
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			return nil, errors.New("expected a list of plain values")
		}
		values = append(values, c.Value)
	}
	return values, nil
}
