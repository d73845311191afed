import { useState } from 'react'
import { OPERATIONS, perform, toCurl } from '../operations.js'
import { CopyButton } from './CopyButton.js'

/** What an HTTP route of the application sets off; from here, or with curl from a terminal. */
export function Outside() {
  const [operation, setOperation] = useState(OPERATIONS[0])
  const [answer, setAnswer] = useState<string>()
  const [isPending, setPending] = useState(false)

  async function run(): Promise<void> {
    setPending(true)
    setAnswer(await perform(operation, location.origin).catch((error: unknown) => `The server cannot be reached (${String(error)})`))
    setPending(false)
  }

  return (
    <section className="card outside" aria-labelledby="outside">
      <h2 id="outside">From your backend</h2>
      <fieldset className="operations">
        <legend className="hidden">What to call</legend>
        {OPERATIONS.map((each) => (
          <label key={each.label}>
            <input type="radio" name="operation" checked={each === operation} onChange={() => setOperation(each)} />
            <span>{each.label}</span>
          </label>
        ))}
      </fieldset>
      <div className="call">
        <section className="request scroll" tabIndex={0} aria-label="The request, as a curl command">
          <pre>
            <code>{toCurl(operation, location.origin)}</code>
          </pre>
        </section>
        <button type="button" className="primary" disabled={isPending} onClick={() => void run()}>
          Run
        </button>
        <CopyButton text={toCurl(operation, location.origin)} />
      </div>
      <output className="answer scroll" tabIndex={0} aria-label="Answer">
        {isPending ? 'Waiting for the answer…' : (answer ?? 'The answer appears here.')}
      </output>
    </section>
  )
}
