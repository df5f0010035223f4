// Package xmlscan indexes an XML document in one strict pass. The result is a
// flat table of elements and attributes with byte offsets into the unchanged
// source, so that a reader can look up expanded names and values while an
// editor can splice the source and keep every other byte as it was. What the
// standards require of a well-formed, namespace-well-formed UTF-8 document is
// checked on the way; document type declarations are refused and sizes are limited.
package xmlscan
