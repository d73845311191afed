import { type FormEvent, useEffect, useId, useRef, useState } from 'react'
import { useClient, useRequest } from '../devices.js'

interface ComposerProps {
  readonly group: string
  readonly joined: boolean
}

const PAUSE_MS = 2_000

/** Says something in a room; while it is being written, the others see that. */
export function Composer({ group, joined }: ComposerProps) {
  const client = useClient()
  const { run, isPending } = useRequest('message:send')
  const [text, setText] = useState('')
  const pause = useRef<ReturnType<typeof setTimeout>>(undefined)
  const id = useId()

  useEffect(() => () => clearTimeout(pause.current), [])

  function tell(on: boolean): void {
    if (joined && client.status === 'connected' && on !== (pause.current !== undefined)) client.emit('typing', { group, on })
    clearTimeout(pause.current)
    pause.current = on ? setTimeout(() => tell(false), PAUSE_MS) : undefined
  }

  async function send(event: FormEvent): Promise<void> {
    event.preventDefault()
    const said = text.trim()
    if (said === '') return
    tell(false)
    const { ok } = await run({ group, text: said })
    if (ok) setText('')
  }

  return (
    <form className="composer" onSubmit={(event) => void send(event)}>
      <label className="hidden" htmlFor={id}>
        Message
      </label>
      <input
        id={id}
        value={text}
        maxLength={280}
        placeholder="Message"
        autoComplete="off"
        disabled={!joined}
        onChange={({ target }) => {
          setText(target.value)
          tell(target.value !== '')
        }}
      />
      <button type="submit" disabled={!joined || isPending}>
        Send
      </button>
    </form>
  )
}
