// Package xmlpatch applies and makes patches of XML documents (RFC 5261): lists
// of add, replace and remove operations whose selectors are a restricted form of
// XPath. A patch is applied by splicing the bytes of the document, so that all
// it does not touch stays as its author wrote it, and by scanning the result
// after every operation. Patches are made by comparing two versions from both
// ends, level by level, and are tried before they are given out.
package xmlpatch
