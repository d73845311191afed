import { useEffect, useId, useRef, useState } from 'react'
import { useClient } from '../devices.js'

interface Asked {
  readonly question: string
  readonly answer: (accepted: boolean) => void
}

/** A question of the server, which waits for the answer of this device. */
export function Confirm() {
  const client = useClient()
  const [asked, setAsked] = useState<Asked>()
  const open = useRef<Asked>(undefined)
  const id = useId()

  useEffect(
    () =>
      client.handle('confirm', ({ question, answerWithinMs }) => {
        open.current?.answer(false) // one question at a time: the newest
        return new Promise((resolve) => {
          const answer = (accepted: boolean): void => {
            clearTimeout(timer)
            if (open.current === mine) open.current = undefined
            setAsked(open.current)
            resolve({ accepted })
          }
          const timer = setTimeout(() => answer(false), answerWithinMs)
          const mine: Asked = { question, answer }
          open.current = mine
          setAsked(mine)
        })
      }),
    [client],
  )

  return (
    <div role="status" className="confirm-place">
      {asked && (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset would be part of a form
        <div className="confirm" role="group" aria-labelledby={id} onKeyDown={({ key }) => key === 'Escape' && asked.answer(false)}>
          <p id={id}>{asked.question}</p>
          <button type="button" className="primary" onClick={() => asked.answer(true)}>
            Yes
          </button>
          <button type="button" onClick={() => asked.answer(false)}>
            No
          </button>
        </div>
      )}
    </div>
  )
}
