export { isKnown, type Kept, KeptAnswers, type KeptLimits, type Made } from "./kept-answers.ts";
export { RESULT_NUMBERS, resultNumber, resultWord } from "./results.ts";
export { blame, branchOf, revisionOf, type SourceLike, seconds } from "./source.ts";
export { buildText, type StepLike, stepText, stepText2 } from "./texts.ts";
