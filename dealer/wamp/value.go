package wamp

import "math"

// Value decodes b, which must be exactly one value, into what is described at
// [Dict]. A MessagePack extension or CBOR simple value that WAMP has no word
// for becomes nil. Errors wrap [ErrMalformed]; a map with keys that are no
// strings makes one too.
func (s Serializer) Value(b []byte) (any, error) {
	in := scanner{serializer: s, buf: b}
	v := in.value(0)
	in.end()
	if in.err != nil {
		return nil, in.err
	}
	return v, nil
}

// value decodes the next value, which is inside depth lists and maps.
func (s *scanner) value(depth int) any {
	var t token
	s.scan(&t)
	if depth += int(t.tags); depth > MaxDepth {
		s.fail(t.offset, textDepth)
	}
	switch t.kind {
	case KindBool:
		return t.truth
	case KindNumber:
		return s.number(&t)
	case KindString:
		return string(s.plain(&t))
	case KindBytes:
		return s.appendBinary(nil, &t)
	case KindList:
		return s.readList(&t, depth+1)
	case KindMap:
		if dict := s.readDict(&t, depth+1); dict != nil {
			return dict
		}
		return Dict{}
	}
	return nil
}

// readList decodes the elements of the opened list t, which are inside depth
// lists and maps.
func (s *scanner) readList(t *token, depth int) []any {
	if depth > MaxDepth {
		s.fail(t.offset, textDepth)
	}
	list := []any{}
	for c := t.container(); s.next(&c); {
		list = append(list, s.value(depth))
	}
	return list
}

// readDict decodes the entries of the opened map t. An empty one is nil.
func (s *scanner) readDict(t *token, depth int) Dict {
	if depth > MaxDepth {
		s.fail(t.offset, textDepth)
	}
	var dict Dict
	for c := t.container(); s.next(&c); {
		key := string(s.key())
		if dict == nil {
			dict = make(Dict)
		}
		dict[key] = s.value(depth)
	}
	return dict
}

// number returns t as int64 where it fits, else as float64. JSON has numbers
// that are larger still, which are refused.
func (s *scanner) number(t *token) any {
	v := t.value()
	if f, ok := v.(float64); ok && s.serializer == JSON && math.IsInf(f, 0) {
		s.fail(t.offset, textLarge)
	}
	return v
}

func (t *token) value() any {
	switch t.number {
	case numberUint:
		if t.bits <= math.MaxInt64 {
			return int64(t.bits)
		}
		return float64(t.bits)
	case numberNegative:
		if t.bits <= math.MaxInt64 {
			return -1 - int64(t.bits)
		}
		return -1 - float64(t.bits)
	case numberFloat32, numberFloat64:
		return t.float()
	}
	return t.bigFloat()
}

// AppendValue appends v in encoding s to dst. v may be nil, a bool, any
// integer or float type, a string, [URI], [ID], []byte, []any, []string,
// [][ID], a [Dict] or map[string]any. Dict keys are written in sorted order,
// strings that are not UTF-8 with U+FFFD. The error names a type that cannot
// be written, or wraps [ErrUntranscodable]; dst is then returned as it came.
func (s Serializer) AppendValue(dst []byte, v any) ([]byte, error) {
	w := writer{serializer: s, buf: dst, start: len(dst)}
	w.any(v, 1)
	if w.err != nil {
		return dst, w.err
	}
	return w.buf, nil
}

// any writes v; a list or map is at level depth.
func (w *writer) any(v any, depth int) {
	switch v := v.(type) {
	case nil:
		w.null()
	case bool:
		w.bool(v)
	case string:
		w.string(v)
	case URI:
		w.string(string(v))
	case []byte:
		w.bytes(v)
	case float64:
		w.float(v, false)
	case float32:
		w.float(float64(v), true)
	default:
		if !w.anyInteger(v) && !w.anyContainer(v, depth) {
			w.fail("%w: a %T", ErrUntranscodable, v)
		}
	}
}

func (w *writer) anyInteger(v any) bool {
	switch v := v.(type) {
	case int:
		w.int(int64(v))
	case int64:
		w.int(v)
	case int32:
		w.int(int64(v))
	case int16:
		w.int(int64(v))
	case int8:
		w.int(int64(v))
	case ID:
		w.uint(uint64(v))
	case uint:
		w.uint(uint64(v))
	case uint64:
		w.uint(v)
	case uint32:
		w.uint(uint64(v))
	case uint16:
		w.uint(uint64(v))
	case uint8:
		w.uint(uint64(v))
	default:
		return false
	}
	return true
}

func (w *writer) anyContainer(v any, depth int) bool {
	if depth > MaxDepth {
		w.fail("%w: %s", ErrUntranscodable, textDepth)
		return true
	}
	switch v := v.(type) {
	case []any:
		w.openList(len(v))
		for _, element := range v {
			w.any(element, depth+1)
		}
		w.closeList()
	case []string:
		w.openList(len(v))
		for _, element := range v {
			w.string(element)
		}
		w.closeList()
	case []ID:
		w.openList(len(v))
		for _, element := range v {
			w.uint(uint64(element))
		}
		w.closeList()
	case Dict:
		w.anyDict(v, depth)
	case map[string]any:
		w.anyDict(v, depth)
	default:
		return false
	}
	return true
}

// anyDict writes d in the order of its keys.
func (w *writer) anyDict(d map[string]any, depth int) {
	w.openMap(len(d))
	w.entries(d, depth+1)
	w.closeMap()
}
