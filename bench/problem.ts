/** Why a measurement could not be made, in words for whoever started the benchmark. */
import { Schema } from "effect"

export class BenchProblem extends Schema.TaggedError<BenchProblem>()("BenchProblem", { message: Schema.String }) {}
