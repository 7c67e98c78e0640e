//===- Scope.h - what names mean, and expressions in it ---------------------===//

#ifndef HEDDLE_SPECS_READER_SCOPE_H
#define HEDDLE_SPECS_READER_SCOPE_H

#include "specs/reader/RawExpr.h"
#include "specs/reader/Spec.h"

#include <set>

namespace heddle {

/// The names of one step (or of the file, with none of a step's). Resolves raw expressions to checked ones;
/// the first fault is told and gives null.
class Scope {
public:
  Scope(const Spec &spec, Diagnostics &diagnostics) : spec(spec), diagnostics(diagnostics) {}

  /// What an expression may mention beside dims, params, lets and tensors.
  struct View {
    std::vector<std::string> indices;
    std::set<ExprSpecial> specials = {};
    std::map<std::string, ExprType> statistics = {}; ///< of an attend, by name
    std::optional<Extent> depth = {};                ///< of `query` and `key` as arguments of dot()
    bool constant = false;                           ///< over dims and params: no reads

    static View constants() {
      View view;
      view.constant = true;
      return view;
    }
  };

  /// An index with its range; false, told, if the name means something already.
  bool addIndex(const IndexRange &range);
  bool addLet(const std::string &name, SourceRange where, RawRef value);
  const IndexRange *findIndex(const std::string &name) const;
  /// Forgets indices and lets.
  void clear() {
    indices.clear();
    lets.clear();
  }
  /// A name of a step that stands for something; an index is inferred for none of these.
  bool isTaken(const std::string &name) const;

  ExprRef resolve(const RawRef &raw, const View &view);
  /// The same, converted to a type; null, told, if it cannot be.
  ExprRef resolve(const RawRef &raw, const View &view, ExprType type);

  ExprRef fail(SpecCode code, SourceRange where, std::string message, std::string help = {});

private:
  ExprRef node(const RawExpr &raw);
  ExprRef name(const RawExpr &raw);
  ExprRef keyHead(const RawExpr &raw);
  ExprRef position(const RawExpr &raw);
  ExprRef unknown(const RawExpr &raw);
  ExprRef read(const RawExpr &raw);
  ExprRef call(const RawExpr &raw);
  ExprRef dot(const RawExpr &raw);
  ExprRef dotArgument(const RawExpr &raw, std::optional<Extent> &length);
  ExprRef window(const RawExpr &raw);
  ExprRef unary(const RawExpr &raw);
  ExprRef binary(const RawExpr &raw);
  ExprRef select(const RawExpr &raw);
  bool visible(const std::string &index) const;

  const Spec &spec;
  Diagnostics &diagnostics;
  std::map<std::string, IndexRange> indices;
  std::map<std::string, RawRef> lets;
  std::set<std::string> open; // lets being resolved
  const View *view = nullptr;
};

/// Names that dims, params, lets and indices may not have.
bool isReserved(const std::string &name);

} // namespace heddle

#endif
