interface AvatarProps {
  readonly userId: string
  readonly name: string
}

/** Stands for a picture; the name is beside it, so it says nothing to a screen reader. */
export function Avatar({ userId, name }: AvatarProps) {
  return (
    <span className="avatar" data-user={userId} aria-hidden="true">
      {name.slice(0, 1)}
    </span>
  )
}
