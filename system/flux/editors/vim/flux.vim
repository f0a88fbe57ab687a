" Vim syntax for Flux. Put it into ~/.vim/syntax/ and `au BufRead,BufNewFile *.flux set filetype=flux` into your vimrc.
if exists("b:current_syntax") | finish | endif
syn keyword fluxDeclaration intention function flow struct causal_mosaic const state import test paradox as
syn keyword fluxStatement let var if else for while in return launch send listen collapse break continue fn lambda match try catch fail otherwise then
syn keyword fluxClause trigger when condition given priority execute do until within budget retries goal cost vary keep judge limit rollback
syn keyword fluxConstant true false nil
syn keyword fluxDist dist
syn match fluxNumber "\<\d[0-9_]*\(\.\d\+\)\?\([eE][-+]\?\d\+\)\?\(cycles\|ms\|us\|ns\|s\|m\|h\|d\)\?\>"
syn region fluxString start=+"+ skip=+\\.+ end=+"+
syn match fluxComment "#.*$"
syn match fluxComment "//.*$"
hi def link fluxDeclaration Structure
hi def link fluxStatement Statement
hi def link fluxClause Label
hi def link fluxConstant Constant
hi def link fluxDist Type
hi def link fluxNumber Number
hi def link fluxString String
hi def link fluxComment Comment
let b:current_syntax = "flux"
