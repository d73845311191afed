import { packageConfig } from '../../tsup.base.js'

export default packageConfig(['src/index.ts', 'src/wire.ts', 'src/events/index.ts', 'src/events/manifest.ts', 'src/compat/index.ts'])
