package wamp

// Kind tells what an encoded value is.
type Kind uint8

// The kinds. KindInvalid stands for bytes that begin no value.
const (
	KindInvalid Kind = iota
	KindNull         // also CBOR undefined and the extension msgpackr writes for it
	KindBool
	KindNumber
	KindString
	KindBytes // in JSON a string that begins with U+0000 and goes on in base64
	KindList
	KindMap
	KindOther // a MessagePack extension or CBOR simple value WAMP has no word for
)

// String returns the kind in words that fit into an error text, such as
// "a list".
func (k Kind) String() string {
	switch k {
	case KindNull:
		return "null"
	case KindBool:
		return "a bool"
	case KindNumber:
		return "a number"
	case KindString:
		return "a string"
	case KindBytes:
		return "a byte string"
	case KindList:
		return "a list"
	case KindMap:
		return "a dict"
	case KindOther:
		return "an extension value"
	}
	return "no value"
}
