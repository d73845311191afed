import { useEffect, useState } from 'react'

/** Takes a text to the clipboard, and says so for a moment. */
export function CopyButton({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return
    const timer = setTimeout(() => setCopied(false), 2_000)
    return () => clearTimeout(timer)
  }, [isCopied])
  return (
    <button type="button" className="copy" onClick={() => void navigator.clipboard?.writeText(text).then(() => setCopied(true))}>
      {isCopied ? 'Copied' : 'Copy'}
    </button>
  )
}
