package validate

// Standalone compiles a schema that is no part of a document, such as
// openapi.ForeignSchema returns. The error says what is wrong with it.
func Standalone(schema any) (*Schema, error) {
	compiler := newCompiler(schema)
	compiled, err := compiler.Compile(base)
	if err != nil {
		return nil, compileError(err)
	}
	return &Schema{compiled}, nil
}
