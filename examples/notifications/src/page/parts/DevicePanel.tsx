import { type Device, RealtimeProvider } from '../devices.js'
import { DeviceView } from './DeviceView.js'

interface DevicePanelProps {
  readonly device: Device
  readonly className: string
}

/** One device: an application of its own, as it would be in a page of its own. */
export function DevicePanel({ device, className }: DevicePanelProps) {
  return (
    <RealtimeProvider client={device.client}>
      <section className={`${className} device`} aria-label={`${device.userName}’s ${device.kind}`} data-device={device.id}>
        <DeviceView device={device} />
      </section>
    </RealtimeProvider>
  )
}
