// Every public name has a doc comment: what the packages export, and the members of what they export.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The sources of every entry of every package. */
function entries(): string[] {
  return readdirSync(join(root, 'packages')).flatMap((folder) => {
    const manifest = JSON.parse(readFileSync(join(root, 'packages', folder, 'package.json'), 'utf8')) as {
      exports: Record<string, string | { '@org/source'?: string }>
    }
    return Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'object' && entry['@org/source'] !== undefined ? [join(root, 'packages', folder, entry['@org/source'])] : [],
    )
  })
}

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root)
const program = ts.createProgram(entries(), options)
const checker = program.getTypeChecker()
const looked = new Set<ts.Node>()
const missing = new Map<ts.Node, string>()
let names = 0

/** Only what this repository declares: a type that is made of another's has that one's comments. */
function isOurs(node: ts.Node): boolean {
  const file = node.getSourceFile().fileName
  return file.startsWith(join(root, 'packages')) && !file.includes('node_modules')
}

function isCommented(symbol: ts.Symbol): boolean {
  return symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0
}

function check(symbol: ts.Symbol, name: string): void {
  const declaration = symbol.declarations?.find(isOurs)
  if (declaration === undefined || looked.has(declaration)) return
  looked.add(declaration)
  names++
  if (!isCommented(symbol)) missing.set(declaration, name)
  for (const node of symbol.declarations ?? []) checkMembers(node, name)
}

/** Members that are written out, at any depth: `presence.graceMs` of the options is a public name, too. */
function checkMembers(node: ts.Node, name: string): void {
  if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node) || ts.isTypeLiteralNode(node)) {
    for (const member of node.members) checkMember(member, name)
  } else if (ts.isTypeAliasDeclaration(node)) {
    checkMembers(node.type, name)
  } else if (ts.isIntersectionTypeNode(node)) {
    for (const part of node.types) checkMembers(part, name)
  } else if (ts.isPropertySignature(node) && node.type !== undefined && isSpread(node)) {
    checkMembers(node.type, name)
  }
}

/** What stands in one line is described by one comment. */
function isSpread(node: ts.Node): boolean {
  return node.getText().includes('\n')
}

function checkMember(member: ts.TypeElement | ts.ClassElement, owner: string): void {
  if (member.name === undefined || ts.isPrivateIdentifier(member.name) || ts.isComputedPropertyName(member.name) || isInherited(member)) return
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
  if ((ts.getCombinedModifierFlags(member) & hidden) !== 0) return
  const symbol = checker.getSymbolAtLocation(member.name)
  if (symbol !== undefined) check(symbol, `${owner}.${member.name.getText()}`)
}

/** What implements or overrides says what the other says. */
function isInherited(member: ts.TypeElement | ts.ClassElement): boolean {
  return (ts.getCombinedModifierFlags(member as ts.Declaration) & ts.ModifierFlags.Override) !== 0
}

for (const entry of entries()) {
  const file = program.getSourceFile(entry)
  const module = file && checker.getSymbolAtLocation(file)
  if (module === undefined) throw new Error(`${entry} exports nothing`)
  for (const symbol of checker.getExportsOfModule(module)) {
    check((symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol), symbol.name)
  }
}

for (const [node, name] of missing) {
  const { line } = node.getSourceFile().getLineAndCharacterOfPosition(node.getStart())
  console.error(`${relative(root, node.getSourceFile().fileName)}:${line + 1} ${name} has no doc comment`)
}
if (missing.size > 0) process.exit(1)
console.log(`All ${names} public names have a doc comment.`)
