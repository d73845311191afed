export { type ServerPlace, toAsyncApi } from './docs/asyncapi.js'
export { type ContractDocument, type Direction, type EventDocument, toDocument } from './docs/document.js'
export { type Definitions, type JsonSchema, toStandalone } from './docs/json-schema.js'
