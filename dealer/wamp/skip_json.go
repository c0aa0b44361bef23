package wamp

// A jsonWalk checks one JSON value without recursion. One bit per level says
// whether it is inside a list or an object there.
type jsonWalk struct {
	b       []byte
	i       int
	depth   int
	base    int    // the depth the value itself is at
	objects uint64 // bit d: level d is an object
	err     *SyntaxError
}

// skipJSON returns the position after the value at b[i], which is inside depth
// lists and objects.
func skipJSON(b []byte, i, depth int) (int, *SyntaxError) {
	w := jsonWalk{b: b, i: i, depth: depth, base: depth}
	for w.value() {
		if !w.after() {
			break
		}
	}
	return w.i, w.err
}

// value moves behind the next scalar or, into or behind an opening bracket up
// to the next scalar. It returns false on an error.
func (w *jsonWalk) value() bool {
	for {
		w.i = skipSpace(w.b, w.i)
		if w.i == len(w.b) {
			return w.fail(syntaxError(w.i, textCut))
		}
		switch w.b[w.i] {
		case '"':
			return w.text()
		case '{':
			if empty, ok := w.open('}'); empty || !ok {
				return ok
			}
			if !w.key() {
				return false
			}
		case '[':
			if empty, ok := w.open(']'); empty || !ok {
				return ok
			}
		case 't', 'f', 'n':
			end, err := skipJSONLiteral(w.b, w.i)
			return w.move(end, err)
		default:
			end, _, err := skipJSONNumber(w.b, w.i)
			return w.move(end, err)
		}
	}
}

// after moves from the end of a value to the beginning of the next. It returns
// false when there is none, which without an error is the end.
func (w *jsonWalk) after() bool {
	for w.depth > w.base {
		w.i = skipSpace(w.b, w.i)
		if w.i == len(w.b) {
			return w.fail(syntaxError(w.i, textCut))
		}
		object := w.objects>>(w.depth-1)&1 == 1
		switch c := w.b[w.i]; {
		case c == ',':
			w.i++
			return !object || w.key()
		case c == '}' && object, c == ']' && !object:
			w.i++
			w.depth--
		case object:
			return w.fail(syntaxError(w.i, "unexpected %s where ',' or '}' must be", describeByte(c)))
		default:
			return w.fail(syntaxError(w.i, "unexpected %s where ',' or ']' must be", describeByte(c)))
		}
	}
	return false
}

// open moves behind an opening bracket, and behind the closing one if it
// follows at once.
func (w *jsonWalk) open(closing byte) (empty, ok bool) {
	if w.depth >= MaxDepth {
		return false, w.fail(syntaxError(w.i, textDepth))
	}
	i := skipSpace(w.b, w.i+1)
	if i < len(w.b) && w.b[i] == closing {
		w.i = i + 1
		return true, true
	}
	w.i = i
	bit := uint64(1) << w.depth
	w.objects &^= bit
	if closing == '}' {
		w.objects |= bit
	}
	w.depth++
	return false, true
}

// key moves behind a key and its colon.
func (w *jsonWalk) key() bool {
	w.i = skipSpace(w.b, w.i)
	if w.i == len(w.b) {
		return w.fail(syntaxError(w.i, textCut))
	}
	if c := w.b[w.i]; c != '"' {
		return w.fail(syntaxError(w.i, "unexpected %s where a key must begin", describeByte(c)))
	}
	if !w.text() {
		return false
	}
	end, err := skipColon(w.b, w.i)
	return w.move(end, err)
}

func (w *jsonWalk) text() bool {
	end, _, err := skipJSONString(w.b, w.i)
	return w.move(end, err)
}

func (w *jsonWalk) move(end int, err *SyntaxError) bool {
	if err != nil {
		return w.fail(err)
	}
	w.i = end
	return true
}

func (w *jsonWalk) fail(err *SyntaxError) bool {
	w.err = err
	return false
}
