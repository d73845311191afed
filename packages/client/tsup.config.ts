import { packageConfig } from '../../tsup.base.js'

export default packageConfig(['src/index.ts', 'src/react/index.ts', 'src/outbox/index.ts'])
