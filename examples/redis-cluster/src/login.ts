// Prints a token for the user that the argument names, as signing in would give it.
import { optionsFromEnv } from '@org/realtime-server'
import { signToken } from './token.js'

console.log(await signToken(process.argv[2] ?? 'ada', optionsFromEnv(process.env).jwt))
