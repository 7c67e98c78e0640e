//===- EmitHeader.cpp - what a program includes ------------------------------------------------===//

#include "codegen/EmitHeader.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace heddle;

std::vector<const SpecDim *> heddle::argumentDims(const Spec &spec) {
  std::vector<const SpecDim *> dims;
  for (const SpecDim &dim : spec.dims)
    if (!dim.isCompileTime() && !dim.expr && dim.tensor.empty())
      dims.push_back(&dim);
  return dims;
}

namespace {
struct Word {
  std::string type, name, comment;
};

std::string shapeText(const SpecTensor &tensor) {
  SmallVector<std::string> axes;
  for (const Extent &axis : tensor.axes)
    axes.push_back(axis.text);
  return "[" + join(axes, ", ") + "] " + std::string(spelling(*tensor.storage));
}

/// C's words, and what the struct has beside the spec's names.
bool isReserved(StringRef name) {
  static const StringRef words[] = {
      "auto",    "break",   "case",      "char",    "const",    "continue",  "default",
      "do",      "double",  "else",      "enum",    "extern",   "float",     "for",
      "goto",    "if",      "inline",    "int",     "long",     "register",  "restrict",
      "return",  "short",   "signed",    "sizeof",  "static",   "struct",    "switch",
      "typedef", "union",   "unsigned",  "void",    "volatile", "while",     "struct_size",
      "exec",    "class",   "new",       "delete",  "this",     "template",  "typename",
      "public",  "private", "protected", "virtual", "operator", "namespace", "using",
      "try",     "catch",   "throw",     "bool",    "true",     "false",     "asm",
      "friend",  "mutable", "explicit",  "export",  "and",      "or",        "not",
      "xor"};
  return is_contained(words, name);
}

/// Tensors and scalars are two worlds in a spec and one in C: a scalar that meets a tensor gets a
/// trailing `_`, and so does a word of the language.
std::vector<Word> words(const Spec &spec) {
  std::vector<Word> list;
  auto add = [&](const std::string &type, std::string name, const std::string &comment) {
    while (isReserved(name) || any_of(list, [&](const Word &word) { return word.name == name; }))
      name += "_";
    list.push_back({type, name, comment});
  };
  for (const SpecTensor *tensor : spec.arguments())
    add("const heddle_tensor *", tensor->name,
        shapeText(*tensor) + (tensor->isInput() ? "" : ", written"));
  for (const SpecDim *dim : argumentDims(spec))
    add("int64_t ", dim->name, "a size");
  for (const SpecParam &param : spec.params)
    if (param.isRuntime) {
      bool isFloat = param.value.type == ExprType::Float;
      std::string value =
          isFloat ? formatv("{0}", param.value.f).str() : std::to_string(param.value.i);
      add(isFloat ? "double " : "int64_t ", param.name,
          (isFloat ? "used as f32; the spec's default is "
                   : "used as i32; the spec's default is ") +
              value);
    }
  return list;
}
} // namespace

std::vector<std::string> heddle::argumentWords(const Spec &spec) {
  std::vector<std::string> names;
  for (const Word &word : words(spec))
    names.push_back(word.name);
  names.push_back("exec");
  return names;
}

/// A function of plain pointers: tensors row-major without gaps.
static void emitFlat(raw_ostream &os, const Spec &spec, ArrayRef<Word> list) {
  std::vector<const SpecTensor *> tensors = spec.arguments();
  // Sizes that are expressions are not written out again in C.
  std::map<std::string, int64_t> known;
  for (const SpecDim &dim : spec.dims)
    if (dim.isCompileTime())
      known[dim.name] = dim.size;
  for (const SpecTensor *tensor : tensors)
    for (const Extent &axis : tensor->axes)
      if (axis.size->kind != ExprKind::Dim && !evaluateSize(*axis.size, known))
        return;
  for (const SpecDim &dim : spec.dims)
    if (!dim.isCompileTime() && dim.expr)
      return;
  os << "\n/* The same for tensors in row-major order without gaps, on a CPU. */\n"
     << "static inline int " << spec.name << "_contiguous(";
  for (size_t i = 0; i < tensors.size(); ++i)
    os << (tensors[i]->isResult ? "void *" : "const void *") << list[i].name << ", ";
  for (const SpecDim &dim : spec.dims)
    if (!dim.isCompileTime())
      os << "int64_t dim_" << dim.name << ", ";
  for (size_t i = tensors.size() + argumentDims(spec).size(); i < list.size(); ++i)
    os << list[i].type << list[i].name << ", ";
  os << "const heddle_exec *exec) {\n";
  for (size_t i = 0; i < tensors.size(); ++i) {
    const SpecTensor &tensor = *tensors[i];
    os << "  int64_t shape" << i << "[] = {";
    for (const Extent &axis : tensor.axes) {
      std::optional<int64_t> fixed = evaluateSize(*axis.size, known);
      os << (fixed ? std::to_string(*fixed) : "dim_" + axis.size->name) << ", ";
    }
    if (tensor.axes.empty())
      os << "0";
    bool brain = *tensor.storage == StorageType::BF16;
    bool integer = *tensor.storage == StorageType::I8 || *tensor.storage == StorageType::I32;
    StringRef code = brain                                  ? "HEDDLE_BFLOAT"
                     : integer                              ? "HEDDLE_INT"
                     : *tensor.storage == StorageType::Bool ? "HEDDLE_BOOL"
                                                            : "HEDDLE_FLOAT";
    int bits = *tensor.storage == StorageType::F32 || *tensor.storage == StorageType::I32 ? 32
               : *tensor.storage == StorageType::F16 || brain                             ? 16
                                                                                          : 8;
    os << "};\n  heddle_tensor tensor" << i << " = {(void *)(uintptr_t)" << list[i].name
       << ", HEDDLE_CPU, 0, " << tensor.axes.size() << ", " << code << ", " << bits << ", 1, shape"
       << i << ", 0, 0};\n";
  }
  os << "  " << spec.name << "_args args;\n  args.struct_size = sizeof args;\n";
  for (size_t i = 0; i < tensors.size(); ++i)
    os << "  args." << list[i].name << " = &tensor" << i << ";\n";
  std::vector<const SpecDim *> dims = argumentDims(spec);
  for (size_t i = 0; i < dims.size(); ++i)
    os << "  args." << list[tensors.size() + i].name << " = dim_" << dims[i]->name << ";\n";
  for (size_t i = tensors.size() + dims.size(); i < list.size(); ++i)
    os << "  args." << list[i].name << " = " << list[i].name << ";\n";
  os << "  args.exec = exec;\n  return " << spec.name << "_run(&args);\n}\n";
}

std::string heddle::emitHeader(const Spec &spec) {
  std::string text, guard = StringRef("HEDDLE_" + spec.name + "_H").upper();
  raw_string_ostream os(text);
  std::vector<Word> list = words(spec);
  os << "/* " << spec.name
     << ".h - generated by heddle; the functions are explained in heddle.h. */\n\n"
     << "#ifndef " << guard << "\n#define " << guard << "\n\n#include \"heddle.h\"\n\n"
     << "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n"
     << "typedef struct " << spec.name << "_args {\n  uint64_t struct_size; /* sizeof(" << spec.name
     << "_args) */\n";
  for (const Word &word : list)
    os << "  " << word.type << word.name << "; /* " << word.comment << " */\n";
  os << "  const heddle_exec *exec;\n} " << spec.name << "_args;\n\n"
     << "int " << spec.name << "_check(const " << spec.name << "_args *args);\n"
     << "int " << spec.name << "_workspace(const " << spec.name << "_args *args, int64_t *bytes);\n"
     << "int " << spec.name << "_run(const " << spec.name << "_args *args);\n"
     << "const struct heddle_kernel *" << spec.name << "_info(void);\n";
  emitFlat(os, spec, list);
  os << "\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return text;
}
