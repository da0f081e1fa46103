# trivium_warnings(target): the warnings every target of ours is built with; all are errors.
function(trivium_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wno-missing-field-initializers)
endfunction()
