import { packageConfig } from '../../tsup.base.js'

export default packageConfig(['src/index.ts', 'src/opentelemetry.ts', 'src/outbox/index.ts', 'src/react/index.ts'])
