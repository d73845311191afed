/** Time from and to, in milliseconds since 1970; what has not ended ends at `Infinity`. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** The same times, in order and without overlap. */
export function union(spans: readonly Span[]): Span[] {
  const merged: Span[] = []
  for (const span of spans.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1)
    if (last === undefined || span.fromMs > last.toMs) merged.push(span)
    else merged[merged.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, span.toMs) }
  }
  return merged
}

/** The times of a span that are in none of the holes. */
export function without(span: Span, holes: readonly Span[]): Span[] {
  const left: Span[] = []
  let { fromMs } = span
  for (const hole of union(holes)) {
    if (hole.toMs <= fromMs || hole.fromMs >= span.toMs) continue
    if (hole.fromMs > fromMs) left.push({ fromMs, toMs: hole.fromMs })
    fromMs = hole.toMs
  }
  if (fromMs < span.toMs) left.push({ fromMs, toMs: span.toMs })
  return left
}

export function meets(span: Span, others: readonly Span[]): boolean {
  return others.some(({ fromMs, toMs }) => fromMs <= span.toMs && toMs >= span.fromMs)
}
