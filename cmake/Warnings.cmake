# trivium_warnings(target): the warnings every target of ours is built with; all are errors.
function(trivium_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wno-missing-field-initializers)
  # GCC's flow warnings misfire on instrumented code; the plain build, which compiles everything too, keeps them errors.
  if(TRIVIUM_SANITIZE)
    target_compile_options(${target} PRIVATE -Wno-error)
  endif()
endfunction()
