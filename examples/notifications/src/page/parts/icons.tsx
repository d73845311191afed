import type { ReactNode } from 'react'

function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  )
}

export const BellIcon = () => (
  <Icon>
    <path d="M10 3a4.5 4.5 0 0 0-4.5 4.5v3L4 13.5h12l-1.5-3v-3A4.5 4.5 0 0 0 10 3ZM8 16a2 2 0 0 0 4 0" />
  </Icon>
)
export const CheckIcon = () => (
  <Icon>
    <path d="m4.5 10.5 3.5 3.5 7.5-8" />
  </Icon>
)
export const TrashIcon = () => (
  <Icon>
    <path d="M4 6h12M8 6V4h4v2m-6 0 .7 10h6.6L14 6M8.5 9v4.5m3-4.5v4.5" />
  </Icon>
)
export const CloseIcon = () => (
  <Icon>
    <path d="m5.5 5.5 9 9m0-9-9 9" />
  </Icon>
)
export const StarIcon = () => (
  <Icon>
    <path d="m10 3.5 2 4.2 4.6.6-3.4 3.2.9 4.6L10 13.9l-4.1 2.2.9-4.6-3.4-3.2 4.6-.6Z" />
  </Icon>
)
export const UpIcon = () => (
  <Icon>
    <path d="M10 16V4.5m-4.5 4.5L10 4.5 14.5 9" />
  </Icon>
)
export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M5.5 11l4.5 4.5 4.5-4.5" />
  </Icon>
)
export const MoreIcon = () => (
  <Icon>
    <path d="M5 10h.01M10 10h.01M15 10h.01" strokeWidth="2.6" />
  </Icon>
)
