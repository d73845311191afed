/** `maybe` where it depends on a function of the application, or on what this version of zod does not know. */
export type Answer = 'yes' | 'no' | 'maybe'

/** Whose values a model stands for: what the server sends, what a client sends, or what either receives. */
export type Role = 'server' | 'client' | 'receiver'

const ORDER: readonly Answer[] = ['no', 'maybe', 'yes']

/** The least of the answers. */
export function all(answers: Iterable<Answer>): Answer {
  let least: Answer = 'yes'
  for (const answer of answers) {
    if (answer === 'no') return 'no'
    if (answer === 'maybe') least = answer
  }
  return least
}

/** The most of the answers. */
export function any(answers: Iterable<Answer>): Answer {
  let most: Answer = 'no'
  for (const answer of answers) {
    if (answer === 'yes') return 'yes'
    if (ORDER.indexOf(answer) > ORDER.indexOf(most)) most = answer
  }
  return most
}

export function toAnswer(isTrue: boolean | undefined): Answer {
  return isTrue === undefined ? 'maybe' : isTrue ? 'yes' : 'no'
}
