package wamp

// Empty reports whether p holds no argument.
func (p Payload) Empty() bool { return p.elements() == 0 }

// Transcode returns p in encoding to, itself if it is in it already. Errors
// are those of [Transcode].
func (p Payload) Transcode(to Serializer) (Payload, error) {
	if p.Serializer == to || p.Args == nil && p.Kwargs == nil {
		return p, nil
	}
	var buf []byte
	var err error
	if p.Args != nil {
		if buf, err = Transcode(nil, to, p.Args, p.Serializer); err != nil {
			return Payload{}, err
		}
	}
	args := buf[:len(buf):len(buf)]
	if p.Args == nil {
		args = nil
	}
	if p.Kwargs == nil {
		return Payload{Serializer: to, Args: args}, nil
	}
	kwargs, err := Transcode(nil, to, p.Kwargs, p.Serializer)
	if err != nil {
		return Payload{}, err
	}
	return Payload{Serializer: to, Args: args, Kwargs: kwargs}, nil
}

// Decode returns the arguments as Go values, of the types described at [Dict].
// An absent list or dict is nil. Arguments in the "payload transparency" form
// are returned as the only element of args.
func (p Payload) Decode() (args []any, kwargs Dict, err error) {
	if p.Args != nil {
		v, err := p.Serializer.Value(p.Args)
		if err != nil {
			return nil, nil, err
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		args = list
	}
	if p.Kwargs != nil {
		v, err := p.Serializer.Value(p.Kwargs)
		if err != nil {
			return nil, nil, err
		}
		dict, ok := v.(Dict)
		if !ok {
			return nil, nil, malformed("ArgumentsKw is not a dict")
		}
		kwargs = dict
	}
	return args, kwargs, nil
}

// NewPayload encodes Go values of the types that [Serializer.AppendValue]
// takes. Empty args and kwargs are left absent.
func NewPayload(s Serializer, args []any, kwargs Dict) (Payload, error) {
	p := Payload{Serializer: s}
	var err error
	if len(args) > 0 {
		if p.Args, err = s.AppendValue(nil, args); err != nil {
			return Payload{}, err
		}
	}
	if len(kwargs) > 0 {
		if p.Kwargs, err = s.AppendValue(nil, kwargs); err != nil {
			return Payload{}, err
		}
	}
	return p, nil
}
