#!/usr/bin/python3
"""Faults planted in passes, bodies and runtime: each must be caught by the test that is named beside it.

    test/mutants.py [--only NAME] [--folder FOLDER]

The house is copied to FOLDER (default: a temporary one), built, and for each mutant one place is changed, built again,
and its test run: it has to fail, and to pass without the fault. Takes some 15 minutes; part of no other test. Last line: `N passed, N failed`.
"""
from __future__ import annotations

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    name: str
    file: str
    old: str
    new: str
    test: str  # a command; {build}: the build folder


ORACLE = "test/e2e/oracle.py {build} --odd 3 --target "
LIT = "/usr/lib/llvm-22/bin/lit -q {build}/test --filter "

MUTANTS = [
    Mutant("softmax forgets to rescale the sum", "passes/TileAttend.cpp", "Value rescaled = arith::MulFOp::create(s, loc, sum, alpha);",
           "Value rescaled = sum; (void)alpha;", ORACLE + "host specs/softmax/full.json"),
    Mutant("softmax forgets to rescale out", "passes/TileAttend.cpp", "next.push_back(ContractOp::create(s, loc, o.getType(), p, v, o, alpha));",
           "next.push_back(ContractOp::create(s, loc, o.getType(), p, v, o)); (void)alpha;", ORACLE + "host specs/softmax/causal.json"),
    Mutant("what a mask drops weighs something", "passes/TileAttend.cpp", "double outside = softmax() ? -infinity : 0;",
           "double outside = softmax() ? -10 : 0;", ORACLE + "host specs/softmax/causal.json"),
    Mutant("a row that keeps nothing is divided", "passes/TileAttend.cpp", "return arith::SelectOp::create(body, loc, empty, none, result);",
           "return (void)empty, result;", ORACLE + "host specs/softmax/cache_lengths.json"),
    Mutant("full tiles take the column that the end cuts", "passes/TileRanges.cpp", "high[position] = -1, high[tile] = size, high.back() = size - 1;",
           "high[position] = -1, high[tile] = size, high.back() = size;", LIT + "lower-sparsity"),
    Mutant("boundary tiles run as full ones", "passes/PeelTiles.cpp", "specialize(boundary, inBoundary, false);",
           "specialize(boundary, inBoundary, true);", ORACLE + "host specs/softmax/causal.json"),
    Mutant("the boundary loop starts at 0 again", "passes/PeelTiles.cpp", "boundary.setLowerBound(end);", "",
           LIT + "peel-tiles"),
    Mutant("every mask is taken for full", "passes/DropFullMask.cpp", "return !isEmpty(p);", "return (void)p, false;", LIT + "drop-full-mask"),
    Mutant("a later token is seen within a chunk", "passes/SplitIntraInter.cpp", "arith::CmpIPredicate::sle, c, r);",
           "arith::CmpIPredicate::sle, r, r);", ORACLE + "host specs/linear/lightning.json"),
    Mutant("the sum misses what came before the chunk", "passes/SplitIntraInter.cpp",
           "op.getNorm().replaceAllUsesWith(arith::AddFOp::create(b, loc, rowSums, before));",
           "op.getNorm().replaceAllUsesWith(rowSums); (void)before;", ORACLE + "host specs/linear/linear.json"),
    Mutant("a divisor of the score is a factor", "passes/FoldScale.cpp", "factor = divides ? 1 / *constant : *constant;",
           "factor = *constant;", LIT + "fold-scale"),
    Mutant("a square takes its factor once", "passes/FoldScale.cpp",
           "if (linear.contains(op->getOperand(0)) && linear.contains(op->getOperand(1)))",
           "if (false)", LIT + "fold-scale"),
    Mutant("what is added to a power lacks log2 e", "passes/FoldScale.cpp", "return arith::MulFOp::create(b, op->getLoc(), value, constant(log2e));",
           "return value;", LIT + "fold-scale"),
    Mutant("log2 e joins no constant, though scores are base 2", "passes/TileAttend.cpp", "factor.convertToDouble() * log2e));",
           "factor.convertToDouble()));", LIT + "tile-attend"),
    Mutant("a read beyond the end is not held back", "passes/HoistReads.cpp",
           "subscript.set(arith::MinSIOp::create(b, read.getLoc(), subscript.get(), last));", "(void)b;", LIT + "hoist-reads"),
    Mutant("the next tile is fetched twice", "passes/PipelineTiles.cpp", "return arith::AddIOp::create(b, loc, counter, jump).getResult();",
           "return (void)jump, counter;", LIT + "pipeline-tiles"),
    Mutant("a load takes the row behind the last", "codegen/cpu/Load.cpp", "Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, access.limit);",
           "Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, row, access.limit);", ORACLE + "host specs/softmax/full.json specs/softmax/gqa.json"),
    Mutant("a maximum starts at 0", "codegen/cpu/Map.cpp", "return splat(kind == Combine::max   ? -std::numeric_limits<double>::infinity()",
           "return splat(kind == Combine::max   ? 0.0", LIT + "shifted-scores"),
    Mutant("a wrong coefficient of exp2", "codegen/cpu/Exp2.cpp", "static constexpr float near5[] = {1.0f,          0.693142831f,",
           "static constexpr float near5[] = {1.0f,          0.693242831f,", ORACLE + "x86-64-v3 specs/softmax/full.json"),
    Mutant("a power is not bounded from above", "codegen/cpu/Exp2.cpp", "if (!isNeverPositive(op)) {", "if (false) {", LIT + "math-functions"),
    Mutant("a decay takes a refined reciprocal", "dialect/BuildExpr.cpp", ": buildSigmoid(loc, x);", ": buildSigmoidOfWeight(loc, x);", LIT + "dialect/sigmoid"),
    Mutant("the power in a weight's sigmoid overflows", "dialect/BuildExpr.cpp", "return arith::SelectOp::create(b, loc, isFar, zero, r);", "return (void)isFar, (void)zero, r;",
           LIT + "exp-range"),
    Mutant("registers of a product go one by one", "codegen/cpu/Map.cpp", "together = 4;", "together = 1;", LIT + "codegen/turns"),
    Mutant("by one number each weight is divided", "codegen/cpu/Evaluate.cpp", "getParentRegion() != &map.getBody())\n    return true;",
           "getParentRegion() != &map.getBody())\n    return false;", LIT + "uniform-quotient"),
    Mutant("a gather reads behind a tile's columns", "codegen/cpu/Evaluate.cpp", "i = arith::MinSIOp::create(b, i, plus(size, -1));", "(void)size;",
           "test/e2e/random_programs.py {build} --first 550 --count 150"),
    Mutant("PTX reads the row behind the last", "codegen/nvptx/Access.cpp", "Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, row, access.limit);",
           "Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::sle, row, access.limit);", ORACLE + "sm_80 specs/softmax/full.json"),
    Mutant("a thread beyond the grid's points runs", "codegen/nvptx/Function.cpp",
           "Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ult, item, numItems(grid));",
           "Value inside = arith::CmpIOp::create(b, arith::CmpIPredicate::ule, item, numItems(grid));", ORACLE + "sm_80 specs/mixers/hyena.json"),
    Mutant("sine takes the wrong quadrant", "codegen/PreciseMath.cpp", "quadrant = arith::AddIOp::create(b, loc, quadrant, s.word(1));",
           "quadrant = arith::AddIOp::create(b, loc, quadrant, s.word(3));", ORACLE + "host specs/decode/longheads_decode.json"),
    Mutant("a wrong coefficient of log", "codegen/PreciseMath.cpp", "-0.121483512, 0.140869141", "-0.121483512, 0.150869141", LIT + "math-functions"),
    Mutant("a quotient of tanh is not mended", "codegen/PreciseMath.cpp", "return s.fma(remainder, inverse, q);", "return q;", LIT + "tanh-accuracy"),
    Mutant("a result read before its token is not summed", "dialect/loops/Recur.cpp", "  if (body.readBefore)\n    sumDepth(scope, query, S, row);", "",
           "test/e2e/random_programs.py {build} --count 120"),
    Mutant("disturbed slices have a best", "tools/heddle/Witness.cpp", "return double(most) >= 0.07 * all ? middle : 0;", "return middle;", "{build}/bin/test_bench"),
    Mutant("rates that look too good are the best", "tools/heddle/Witness.cpp", "double(count) >= 0.03 * all", "count > 0", "{build}/bin/test_bench"),
    Mutant("a wire stops twice", "tools/heddle/Tripwires.cpp", "      return; // what faulted", "      running->stop(), running->resume();\n      return; // what faulted",
           "{build}/bin/test_bench"),
    Mutant("keys of all queries are fetched for one", "codegen/cpu/Ahead.cpp", "if (!isOneInteger(size) && !llvm::is_contained(rows, number))", "if (false)", LIT + "rows-ahead"),
    Mutant("rows are fetched in the turn that needs them", "codegen/cpu/Ahead.cpp", "turnsAhead = 8;", "turnsAhead = 0;", LIT + "rows-ahead"),
    Mutant("rows of a loop around are fetched in each of its turns", "codegen/cpu/Ahead.cpp", "return given != loop.getInductionVar() && !around.", "return true || !around.",
           LIT + "rows-ahead"),
    Mutant("an integer of a tile may have 64 bits", "dialect/IntegerRange.cpp", "part->type == ExprType::Int && !of(*part).fits()", "false", LIT + "integer-range"),
    Mutant("integers between steps have 32 bits", "dialect/BuildFromSpec.cpp", "isWide(spec, tensor) ? b.getI64Type()", "false ? b.getI64Type()", LIT + "integer-range"),
    Mutant("the least integer is divided by -1", "dialect/BuildExpr.cpp", "mayBeNegative = !isNatural(expr.args[1]);", "mayBeNegative = false;", LIT + "integer-range"),
    Mutant("tanh is 1 too early", "codegen/PreciseMath.cpp", "std::pair(10, arith", "std::pair(6, arith", LIT + "math-functions"),
    Mutant("exp beyond its range is no number", "codegen/cpu/Exp2.cpp", "arith::CmpFPredicate::OLT, size, splat(127));", "arith::CmpFPredicate::OLT, size, splat(256));",
           LIT + "exp-range"),
    Mutant("a fused step is computed for every head", "dialect/FuseSteps.cpp", "return arg->isIndex(range->name); }))\n      return false;",
           "return arg->isIndex(range->name); }))\n      continue;", LIT + "fuse-steps"),
    Mutant("argmax takes the last of equals", "dialect/loops/Reduction.cpp", "Value better = kind == ReductionKind::ArgMax ? l.less(best, x) : l.less(x, best);",
           "Value better = kind == ReductionKind::ArgMax ? l.negate(l.less(x, best)) : l.less(x, best);", LIT + "e2e/numpy"),
    Mutant("an empty mean divides by 0", "dialect/loops/Reduction.cpp", "l.toFloat(l.select(none, l.index(1), carried[1]))", "l.toFloat((void(none), carried[1]))",
           "test/e2e/random_programs.py {build} --count 120"),
    Mutant("the sink is forgotten", "dialect/loops/Attend.cpp", "if (body.sink) // one more key, whose value is 0", "if (false)", LIT + "e2e/numpy"),
    Mutant("leaders keep their weight", "passes/AttendNested.cpp", "moved = choose(body, leads, floatConstant(body, loc, -infinity), moved);", "(void)leads;",
           ORACLE + "host specs/select/landmark_top_k.json specs/sparse/landmark.json"),
    Mutant("a tile's last key is not asked", "passes/TilePlan.cpp", "Value lo = element(subscripts.back().lo), hi = element(subscripts.back().hi);",
           "Value lo = element(subscripts.back().lo), hi = lo;", LIT + "passes/plan-tiles.mlir"),
    Mutant("a remainder forgets to wrap", "passes/TilePlan.cpp", "lo = arith::SelectOp::create(b, loc, same, lo, constant(b, loc, 0));", "",
           LIT + "passes/plan-tiles.mlir"),
    Mutant("a stretch loses its last tile", "codegen/TileSequences.cpp", "index(FilterOp::length)), none", "index(FilterOp::length - 1)), none",
           LIT + "codegen/stretches.test"),
    Mutant("a stretch is skipped by its first tile", "passes/PlanVisit.cpp", "around.of(tileAt(from), tileAt(last), sizes[1], numKeys)",
           "around.of(tileAt(from), (void(last), tileAt(from)), sizes[1], numKeys)", LIT + "passes/plan-tiles.mlir"),
    Mutant("a span loses its last key", "codegen/cpu/Evaluate.cpp", "Value past = arith::AddIOp::create(b, place, lanesOf(1));", "Value past = place;",
           ORACLE + "host specs/softmax/causal.json"),
    Mutant("values between kept ones stay", "codegen/cpu/Evaluate.cpp", "arith::CmpIOp::create(b, arith::CmpIPredicate::eq,\n                                    across(",
           "arith::CmpIOp::create(b, arith::CmpIPredicate::sle,\n                                    across(", "test/e2e/poison.py {build}"),
    Mutant("only the first of live registers is asked for", "codegen/cpu/Contract.cpp", "index(v * lanes));\n    Value some",
           "index(0));\n    Value some", LIT + "live-rows"),
    Mutant("what a column alone decides makes rows live", "passes/KeptColumns.cpp",
           "    if (llvm::none_of(arguments, [&](BlockArgument one) { return isOfRow(one); }))\n      return;\n", "", LIT + "cut-products-rows"),
    Mutant("rows between that differ are taken for alike", "passes/KeptColumns.cpp", "return arith::AndIOp::create(b, loc, span.getDense(), all);",
           "return all;", LIT + "cut-products-alike"),
    Mutant("rows that are not there are alike to those that are", "passes/KeptColumns.cpp",
           "return numberOf(inner, body, parts.ofRows, mapping, same);", "return numberOf(inner, body, {}, mapping, same);", LIT + "cut-products-alike"),
    Mutant("rows told apart by their places are alike", "passes/KeptColumns.cpp", "bool same = !parts.isOfRow(argument) ||", "bool same = true ||",
           LIT + "cut-products-alike"),
    Mutant("maps that are read elsewhere are masked", "passes/CutProducts.cpp", "!llvm::all_of(ArrayRef(maps).drop_back(), isWeight))", "!llvm::all_of(ArrayRef(maps).drop_back(), [](MapOp) { return true; }))",
           LIT + "cut-products-rows"),
    Mutant("a map stops before the last column of a span", "codegen/cpu/Map.cpp", "  return spanOf(product);\n",
           "  return std::pair(spanOf(product).first, plus(spanOf(product).second, -1));\n", ORACLE + "host specs/softmax/causal.json"),
    Mutant("a large divisor has no reciprocal", "codegen/cpu/Evaluate.cpp", "splat(0x1p-64), splat(1));", "splat(1), splat(1));", LIT + "e2e/numpy"),
    Mutant("infinity is divided like a number", "codegen/cpu/Evaluate.cpp", "return arith::SelectOp::create(b, isNumber, second, first);", "return (void)isNumber, second;", LIT + "e2e/numpy"),
    Mutant("one long sum", "dialect/loops/Glue.cpp", "over.size() == 1 || !reduction.isFloatSum()", "true", LIT + "e2e/numpy"),
    Mutant("what is read next is fetched by no tile", "codegen/cpu/Ops.cpp", "  fetchPart(op, loop.getInductionVar());\n", "", LIT + "codegen/ahead"),
    Mutant("the chunk behind is fetched in one go", "codegen/cpu/Ahead.cpp", "return lookAheadOfChunk(op, access, rows);",
           "return lookAhead(access, rows, /*write=*/false);", "test/codegen/disassembly.py {build}"),
    Mutant("each turn fetches the same row", "codegen/cpu/Contract.cpp", "sums.push_back(address(place, index(1), b.getI64Type()));",
           "sums.push_back(place);", "test/codegen/disassembly.py {build}"),
    Mutant("pages of a chunk are found when it comes", "codegen/cpu/Ahead.cpp", "{access, 2 * rows, write}", "{access, rows, write}", LIT + "hinted-lines"),
    Mutant("spilled vectors lie where the caller's stack puts them", "codegen/EmitObject.cpp", 'function.addFnAttr("frame-pointer", "all");', "(void)function;", LIT + "aligned-stack"),
    Mutant("results in whole lines are read first", "codegen/cpu/Ahead.cpp", "store && lanes < lineOf(", "store && 1 < lineOf(", LIT + "rows-ahead"),
    Mutant("tiles of blocks ignore what cuts them", "passes/ChooseSchedule.cpp", ".value_or(1) : 1);", ".value_or(1) : 0);", LIT + "choose-schedule"),
    Mutant("rows are hinted at from the first one again", "codegen/cpu/Ahead.cpp", "plus(r, rows.first), rows.stride", "r, rows.stride", LIT + "hinted-lines"),
    Mutant("all tiles hint at the first rows of a list", "codegen/cpu/Ahead.cpp", "int64_t all = int64_t(shared.rows.size()) * shared.count;",
           "int64_t all = shared.each;", LIT + "hinted-lines"),
    Mutant("a flag of a row makes rows live", "passes/KeptColumns.cpp", "  if (llvm::none_of(parts.pairwise, seesLoaded))",
           "  if (parts.pairwise.empty() || ((void)seesLoaded, llvm::none_of(map.getRows(), wasLoaded)))", LIT + "cut-products-alike"),
    Mutant("the place of results is no part of what is foreseen", "codegen/cpu/Ahead.cpp",
           "ahead.push_back({accessOf(store), rows, /*write=*/true});", "(void)store;", LIT + "codegen/ahead"),
    Mutant("a map goes beyond its span", "codegen/cpu/Map.cpp", "total = loop(span->first, span->second, 1, total,", "total = loop(span->first, plus(span->second, 1), 1, total,",
           LIT + "live-rows"),
    Mutant("a link forgets what the one before made", "passes/AttendInitial.cpp", "op.getPrior().empty() ? splat", "true ? splat", ORACLE + "host specs/compose/longshort.json"),
    Mutant("a band starts one distance late", "passes/AttendBand.cpp", "indexConstant(b, loc, Q - 1);", "indexConstant(b, loc, Q - 2);", LIT + "dialect/relative-term.test"),
    Mutant("a shear forgets its last pass", "codegen/cpu/Shear.cpp", "power < lanes; power *= 2", "power < lanes / 2; power *= 2", LIT + "dialect/relative-term.test"),
    Mutant("a class of weights has the others' share", "dialect/SplitClasses.cpp", "atRow(factors[i], shares[i]));", "atRow(factors[i], shares[0]));",
           ORACLE + "host test/dialect/split-classes.test.json"),
    Mutant("the delta rule forgets what the key reads", "dialect/loops/Recur.cpp", "sumDepth(scope, key, S, known);\n  } else if",
           "sumDepth(scope, query, S, known);\n  } else if", ORACLE + "host specs/linear/gated_delta.json"),
    Mutant("ties go to the higher index", "dialect/loops/Select.cpp", "Value tie = l.both(l.equal(rival, score), lower);", "Value tie = l.both(l.equal(rival, score), l.negate(lower));",
           ORACLE + "host specs/select"),
    Mutant("the right half of a run is one short", "dialect/loops/TreeSearch.cpp", "std::pair(l.add(first, half), l.sub(size, half))", "std::pair(l.add(first, half), l.sub(half, l.index(0)))",
           ORACLE + "host specs/select/hip.json"),
    Mutant("temporaries that live together share memory", "runtime/temporaries.c", "int together = other->last >= own->first && own->last >= other->first;",
           "int together = other->last > own->first && own->last > other->first;", ORACLE + "host specs/compose/agent.json"),
    Mutant("a result may overlap itself", "runtime/tensor.c", "if (stride < extent)", "if (0)", "{build}/bin/test_runtime"),
    Mutant("a guard takes one size too many", "runtime/kernel.c", "if (size < variant->first || size > variant->last)", "if (size < variant->first || size > variant->last + 1)",
           "{build}/bin/test_runtime"),
    Mutant("the emulator shifts the wrong half", "runtime/emulator/Integer.cpp", "return uint32_t(left ? (all << by) >> 32 : all >> by);", "return uint32_t(left ? all << by : all >> by);",
           "{build}/bin/test_emulator"),
    Mutant("a subscript below 0 is not moved", "dialect/BuildRead.cpp", "x = arith::MaxSIOp::create(b, loc, x, index(loc, 0));", "", "test/e2e/random_programs.py {build} --count 120"),
]


def fails(words: str, source: pathlib.Path, build: pathlib.Path) -> bool:
    command = words.format(build=build).split()
    if command[0].endswith(".py") or command[0].endswith("lit"):
        command.insert(0, "/usr/bin/python3")
    last = source / command[-1]
    if last.is_dir() and last != build and "--filter" not in command:
        command[-1:] = [str(path) for path in sorted(last.glob("*.json"))]
    done = subprocess.run(command, cwd=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900)
    return done.returncode != 0


def plant(mutant: Mutant, source: pathlib.Path, build: pathlib.Path) -> str:
    """What is wrong: nothing if the mutant was caught."""
    path = source / mutant.file
    text = path.read_text()
    if text.count(mutant.old) < 1:
        return f"{mutant.file} does not hold {mutant.old!r}"
    path.write_text(text.replace(mutant.old, mutant.new, 1))
    try:
        made = subprocess.run(["ninja", "-C", build, "-j2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            return f"it does not compile: {made.stdout[-800:]}"
        return "" if fails(mutant.test, source, build) else f"not caught by `{mutant.test}`"
    finally:
        path.write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a part of the names, or several by comma")
    parser.add_argument("--folder", type=pathlib.Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        source = (options.folder or pathlib.Path(temporary)) / "src"
        build = source / "build"
        shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns("build*", ".git"), dirs_exist_ok=True)
        subprocess.run(["cmake", "--preset", "default", "-B", build], cwd=source, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", build, "-j2"], check=True, stdout=subprocess.DEVNULL)
        failed, chosen = 0, [m for m in MUTANTS if any(part in m.name for part in options.only.split(","))]
        for test in dict.fromkeys(mutant.test for mutant in chosen):
            if fails(test, source, build): # it would catch whatever is planted
                failed += 1
                print(f"FAIL: `{test}` fails without a fault", flush=True)
        for mutant in chosen:
            fault = plant(mutant, source, build)
            failed += bool(fault)
            print(f"{'FAIL' if fault else 'caught'}: {mutant.name}{': ' + fault if fault else ' by ' + mutant.test}", flush=True)
        subprocess.run(["ninja", "-C", build, "-j2"], check=True, stdout=subprocess.DEVNULL) # no fault stays in FOLDER
    print(f"{max(len(chosen) - failed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
