import { memo } from 'react'
import { toBytes, toDuration } from '../format.js'
import type { Crossing } from '../wire/log.js'
import { DownIcon, UpIcon } from './icons.js'

const WAYS = { up: 'to the server', down: 'from the server', none: '' } as const

export const TimelineRow = memo(function TimelineRow({ crossing }: { readonly crossing: Crossing }) {
  const { atMs, device, direction, name, detail, tone, bytes, tookMs } = crossing
  return (
    <tr data-tone={tone} data-direction={direction}>
      <td>{(atMs / 1000).toFixed(2)}</td>
      <td>
        <span className="tag" data-device={device}>
          {device.split('-')[1]}
        </span>
      </td>
      <td>
        <span className="event">
          {direction === 'up' && <UpIcon />}
          {direction === 'down' && <DownIcon />}
          <span className="hidden">{WAYS[direction]}: </span>
          <span>
            {name}
            {(tone === 'reply' || (tone === 'error' && tookMs !== undefined)) && <em> reply</em>}
          </span>
        </span>
        <span className="detail">{detail}</span>
      </td>
      <td>{bytes === undefined ? '' : toBytes(bytes)}</td>
      <td>{tookMs === undefined ? '' : toDuration(tookMs)}</td>
    </tr>
  )
})
