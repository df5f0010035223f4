package xcap

import (
	"net/http"

	"rollcall/internal/store"
)

// delete answers DELETE (RFC 4825 §8.4).
func (s *server) delete(req *request) response {
	return s.modify(req, func(current store.Document) plan {
		if req.target.Node == nil {
			return deleteDocument(req, current)
		}
		return s.deleteNode(req, current)
	})
}

func deleteDocument(req *request, current store.Document) plan {
	if status := req.cond.check(current.ETag, req.Method); status != 0 {
		return withStatus(status)
	}
	if current.ETag == "" {
		return withStatus(http.StatusNotFound)
	}
	return plan{status: http.StatusOK}
}

func (s *server) deleteNode(req *request, current store.Document) plan {
	if current.ETag == "" {
		return withStatus(http.StatusNotFound)
	}
	d, err := s.index(req, current)
	if err != nil {
		return plan{answer: failed(req, err)}
	}
	n, m, err := selectNode(d, req.selectors())
	if err != nil {
		return withStatus(http.StatusNotFound)
	}
	if status := req.cond.check(current.ETag, req.Method); status != 0 {
		return withStatus(status)
	}
	result, c := removeNode(d, n, m, s.Limits)
	if c != nil {
		return refuse(c)
	}
	return plan{doc: result, status: http.StatusOK}
}
