import { EVENT_RULES } from './eventrules.js'
import { VALUE_RULES } from './valuerules.js'

export type { Effect, Rule, Verdict } from './effect.js'

/** The rules, by id: what `realtime explain` and docs/reference/compatibility.md say. */
export const RULES = { ...VALUE_RULES, ...EVENT_RULES }

/** The name of a rule, as findings carry it. */
export type RuleId = keyof typeof RULES
