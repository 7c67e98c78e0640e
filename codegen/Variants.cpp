//===- Variants.cpp - which variants a spec gets -----------------------------------------------===//

#include "codegen/Variants.h"
#include "dialect/TileObstacle.h"
#include <algorithm>
#include <set>

using namespace heddle;

/// The dim that is the range of an index, if it is one that is known at run time only.
static int openDim(const Spec &spec, const IndexRange &range) {
  if (range.extent.size->kind != ExprKind::Dim)
    return -1;
  for (size_t i = 0; i < spec.dims.size(); ++i)
    if (spec.dims[i].name == range.extent.size->name && !spec.dims[i].isCompileTime())
      return int(i);
  return -1;
}

static Variant make(const char *kind, const TargetInfo &target, const std::string &wishes) {
  Variant variant;
  variant.kind = kind;
  variant.target = &target;
  variant.wishes = wishes;
  return variant;
}

/// Of an attend on a CPU: as many queries as a register has lanes need no 192 rows. Their keys pass once, so
/// that short tiles, whose scores stay in registers' reach, are a quarter faster than long ones.
static std::vector<Variant> planAttend(const Spec &spec, const AttendStep &step,
                                       const TargetInfo &target, const std::string &schedule) {
  std::vector<Variant> variants;
  const IndexRange *query = nullptr;
  for (const IndexRange &row : step.rows)
    if (row.name == "q_idx")
      query = &row;
  int dim = query ? openDim(spec, *query) : -1;
  std::string lanes = std::to_string(target.lanes);
  if (target.kind == TargetKind::Cpu && dim >= 0 && schedule.empty()) {
    variants.push_back(
        make("few_queries", target, "query=" + lanes + ",strip=" + lanes + ",vectors=1,key=16"));
    variants.back().guard = dim;
    variants.back().last = target.lanes;
  }
  variants.push_back(make("prefill", target, schedule));
  return variants;
}

std::vector<Variant> heddle::planVariants(const Spec &spec,
                                          const std::vector<const TargetInfo *> &targets,
                                          const std::string &schedule) {
  std::vector<const TargetInfo *> order = targets;
  std::sort(order.begin(), order.end(), [](const TargetInfo *a, const TargetInfo *b) {
    return std::pair(a->cpuLevel, a->sm) > std::pair(b->cpuLevel, b->sm);
  });
  order.erase(std::unique(order.begin(), order.end()), order.end());
  std::vector<Variant> variants;
  for (const TargetInfo *target : order) {
    const SpecStep &first = spec.steps.front();
    const AttendStep *attend = first.getIf<AttendStep>();
    std::vector<Variant> added;
    if (spec.steps.size() > 1)
      added = {make("steps", *target, schedule)};
    else if (!tileObstacle(spec, first).empty())
      added = {make("loops", *target, schedule)};
    else if (attend)
      added = planAttend(spec, *attend, *target, schedule);
    else
      added = {make("chunked", *target, schedule)};
    variants.insert(variants.end(), added.begin(), added.end());
  }
  for (Variant &variant : variants) {
    variant.suffix = "_" + variant.name();
    std::replace_if(
        variant.suffix.begin(), variant.suffix.end(), [](char c) { return c == '.' || c == '-'; },
        '_');
  }
  return variants;
}

bool heddle::takes(const Variant &variant, const Spec &spec, const ValueMap &sizes) {
  if (variant.guard < 0)
    return true;
  int64_t size = sizes.at(spec.dims[variant.guard].name).i;
  return size >= variant.first && size <= variant.last;
}

void heddle::keepTaken(std::vector<Variant> &variants, const Spec &spec, const ValueMap &sizes) {
  std::set<const TargetInfo *> served;
  std::vector<Variant> taken;
  for (Variant &variant : variants)
    if (takes(variant, spec, sizes) && served.insert(variant.target).second)
      taken.push_back(std::move(variant));
  variants = std::move(taken);
}
