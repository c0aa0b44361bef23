package wamp

import "fmt"

// A SyntaxError tells where and why bytes are not what they must be. It wraps
// [ErrMalformed].
type SyntaxError struct {
	Offset int    // of the offending byte, from the start of what was given
	Text   string // what is wrong there, in plain words
}

// Error returns the text with its offset.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Text, e.Offset) }

// Unwrap returns [ErrMalformed].
func (e *SyntaxError) Unwrap() error { return ErrMalformed }

func syntaxError(offset int, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: offset, Text: fmt.Sprintf(format, args...)}
}

// The texts that all three serializers share.
const (
	textCut    = "the message ends in the middle of a value"
	textDepth  = "lists and maps nest deeper than 64 levels"
	textUTF8   = "a string is not valid UTF-8"
	textLarge  = "a number is larger than float64 can hold"
	textBeyond = "unexpected bytes after the end of the value"
)
